import type { OpenApiSummary } from './openapi-operation.ts'

/** Segments of scope names out of what APIs call things. */

/** In lower case, everything that no segment may hold replaced by `_`. Never empty. */
export function toSegment(text: string): string {
  const segment = text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '_')
  return segment === '' ? '_' : segment
}

/** `getPetById` becomes `get_pet_by_id`, and `listHTTPRoutes` `list_http_routes`. */
export function toSnakeCase(text: string): string {
  const words = text
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
  return toSegment(words)
}

/** There is one way to match a text, so that no text, made by a stranger, takes long to be found not to match. */
const PREFIX_SEGMENT = /^(?:api|v\d+(?:[._-]\d+)*)$/i

/** For what has no segment but parameters. */
const ROOT = 'root'

/**
 * Tells what a path is about: its first segment that is no parameter, behind the server's base path and behind what all
 * paths begin with to name the API or its version (`/api/v1`).
 */
export function findResource({ basePath, operations }: OpenApiSummary): (path: string) => string {
  const base = splitPath(basePath)
  const paths = [...new Set(operations.map(({ path }) => path))].map((path) => stripBase(splitPath(path), base))
  const shared = countSharedPrefix(paths)
  return (path) => {
    const segments = stripBase(splitPath(path), base).slice(shared)
    const resource = segments.find((segment) => !segment.includes('{'))
    return resource === undefined ? ROOT : toSegment(decode(resource))
  }
}

function splitPath(path: string): readonly string[] {
  return path.split('/').filter((segment) => segment !== '')
}

function stripBase(segments: readonly string[], base: readonly string[]): readonly string[] {
  const isBelow = base.length > 0 && base.every((segment, index) => segments[index] === segment)
  return isBelow ? segments.slice(base.length) : segments
}

function countSharedPrefix(paths: readonly (readonly string[])[]): number {
  let count = 0
  while (paths.length > 0 && paths.every((segments) => PREFIX_SEGMENT.test(segments[count] ?? ''))) count++
  return count
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
