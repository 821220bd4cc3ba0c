import SwaggerParser from '@apidevtools/swagger-parser'
import { parse as parseYaml } from 'yaml'
import {
  OPERATION_TEXT_CHARACTERS_MAX,
  OPERATIONS_MAX,
  type OpenApiOperation,
  type OpenApiSummary,
  PATH_SEGMENTS_MAX,
} from './openapi-operation.ts'

/**
 * Reads OpenAPI 3.0 and 3.1 and Swagger 2.0, as JSON or YAML. It is run in a thread of its own, by `openapi-worker.ts`,
 * because a large document takes seconds.
 *
 * Documents come from strangers: references out of the document are refused before anything could follow them, aliases
 * that would multiply are refused by the YAML parser, and references are resolved only where operations are found, so
 * that schemas, which may be deep and circular, are never walked by them.
 */

/** The document cannot be read; `message` says why, for whoever sent it. */
export class OpenApiFault extends Error {}

type JsonObject = Readonly<Record<string, unknown>>

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

/** Throws OpenApiFault. */
export async function readOpenApi(text: string): Promise<OpenApiSummary> {
  const document = parseText(text)
  if (!isObject(document)) throw new OpenApiFault('The document is no object.')
  if (!('openapi' in document) && !('swagger' in document)) {
    throw new OpenApiFault('The document names neither `openapi` (3.0, 3.1) nor `swagger` (2.0) as its version.')
  }
  refuseExternalReferences(document)
  return summarize(await resolvePathItems(document))
}

function parseText(text: string): unknown {
  try {
    return text.trimStart().startsWith('{') ? JSON.parse(text) : parseYaml(text, { logLevel: 'error' })
  } catch (error) {
    throw new OpenApiFault(`The document is neither JSON nor YAML: ${firstLine(error)}`)
  }
}

/** Goes through everything once, also where aliases let one thing stand in many places. */
function refuseExternalReferences(document: JsonObject): void {
  const seen = new Set<object>()
  const pending: object[] = [document]
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (seen.has(value)) continue
    seen.add(value)
    for (const [name, child] of Object.entries(value)) {
      if (name === '$ref' && typeof child === 'string' && !child.startsWith('#')) {
        const shown = child.length > 100 ? `${child.slice(0, 100)}…` : child
        throw new OpenApiFault(`References may not leave the document: \`${shown}\`. Bundle it into one file first.`)
      }
      if (typeof child === 'object' && child !== null && !LITERALS.has(name)) pending.push(child)
    }
  }
}

/** What stands here is an example of data, in which `$ref` is a name like any other. */
const LITERALS = new Set(['example', 'examples', 'enum', 'const'])

/** `#/paths`, a path below it, or a method below that. */
const UP_TO_OPERATIONS = /^#?(?:\/paths(?:\/[^/]+){0,2})?$/

async function resolvePathItems(document: JsonObject): Promise<JsonObject> {
  try {
    return (await SwaggerParser.dereference(document as never, {
      resolve: { external: false, file: false, http: false },
      dereference: { circular: 'ignore', excludedPathMatcher: (path: string) => !UP_TO_OPERATIONS.test(path) },
    })) as unknown as JsonObject
  } catch (error) {
    if (error instanceof RangeError) throw new OpenApiFault('The document is nested too deeply.')
    // The library names a document after the file that it came from, and this one came from none.
    throw new OpenApiFault(firstLine(error).replace('[object Object]', 'The document'))
  }
}

function summarize(document: JsonObject): OpenApiSummary {
  const info = isObject(document.info) ? document.info : {}
  const operations = isObject(document.paths) ? Object.entries(document.paths).flatMap(listOperations) : []
  if (operations.length > OPERATIONS_MAX) {
    throw new OpenApiFault(`The document has ${operations.length} operations; at most ${OPERATIONS_MAX} are accepted.`)
  }
  return {
    title: readText(info.title, 200),
    version: readText(info.version, 100),
    ...readBasePaths(document),
    operations,
  }
}

function listOperations([path, item]: [string, unknown]): OpenApiOperation[] {
  if (!path.startsWith('/') || !isObject(item)) return []
  requirePath(path)
  return METHODS.flatMap((method) => {
    const operation = item[method]
    if (!isObject(operation)) return []
    const { operationId, tags } = operation
    const tag: unknown = Array.isArray(tags) ? tags.find((one) => typeof one === 'string') : undefined
    return [
      {
        method: method.toUpperCase(),
        path,
        operationId:
          typeof operationId === 'string' && operationId !== '' ? requireShort(operationId, 'An `operationId`') : null,
        tag: typeof tag === 'string' ? requireShort(tag, 'A tag') : null,
      },
    ]
  })
}

function requirePath(path: string): void {
  requireShort(path, 'A path')
  if (path.includes('\u0000') || !path.isWellFormed()) throw new OpenApiFault('A path holds what is no text.')
  if (path.split('/').length <= PATH_SEGMENTS_MAX + 1) return
  throw new OpenApiFault(`A path has more than ${PATH_SEGMENTS_MAX} segments.`)
}

function requireShort(text: string, what: string): string {
  if (text.length <= OPERATION_TEXT_CHARACTERS_MAX) return text
  throw new OpenApiFault(`${what} has more than ${OPERATION_TEXT_CHARACTERS_MAX} characters.`)
}

function readBasePaths({ servers, basePath }: JsonObject): Pick<OpenApiSummary, 'basePath' | 'otherBasePaths'> {
  const urls: unknown[] = Array.isArray(servers) && servers.length > 0 ? servers.map(urlOf) : [basePath]
  const [first, ...others] = urls
  if (typeof first === 'string') requireShort(first, "The server's URL")
  const path = readUrlPath(first) ?? ''
  requirePath(path)
  const otherPaths = new Set(
    others
      .slice(0, OTHER_SERVERS_MAX)
      .map(readUrlPath)
      .filter((other) => other !== null),
  )
  otherPaths.delete(path)
  return { basePath: path, otherBasePaths: [...otherPaths] }
}

/** More are not looked at: what differs is only warned of. */
const OTHER_SERVERS_MAX = 20

function urlOf(server: unknown): unknown {
  return isObject(server) ? server.url : undefined
}

/** Without a slash at its end; null where it cannot be known, as with a variable, which can stand for anything. */
function readUrlPath(url: unknown): string | null {
  if (typeof url !== 'string' || url.length > OPERATION_TEXT_CHARACTERS_MAX) return null
  if (!URL.canParse(url, 'https://server.invalid')) return null
  const path = new URL(url, 'https://server.invalid').pathname.replace(/\/+$/, '')
  return /%7B|\{/i.test(path) ? null : path
}

function readText(value: unknown, charactersMax: number): string {
  return typeof value === 'string' ? value.slice(0, charactersMax).toWellFormed().replaceAll('\u0000', '') : ''
}

function firstLine(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  return line.slice(0, 300)
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
