import { createHash } from 'node:crypto'
import { ERROR_CATALOGUE } from '../errors/catalogue.ts'
import { renderCodes, renderText } from './docs-text.ts'
import type { MediaType, OpenApiDocument, OpenApiResponse, Operation, Parameter, Schema } from './openapi-document.ts'

/**
 * The OpenAPI document as a page. It is written once, when the server starts, and needs nothing but itself: no script,
 * no font, nobody else's server, so that it can be read where nothing else can be reached.
 */
export function createDocsPage(document: OpenApiDocument, verdictCodes: Readonly<Record<string, string>>): string {
  const sections = listSections(document)
  const links = sections.map(({ id, title }) => `<li><a href="#${id}">${renderText(title)}</a></li>`).join('')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${renderText(document.info.title)} REST API</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${renderText(document.info.title)} <small>REST API, version ${renderText(document.info.version)}</small></h1>
<p>${renderText(document.info.summary)} ${renderText(document.info.description)}</p>
<p>For machines: <a href="/openapi.json">openapi.json</a>.</p>
</header>
<nav aria-label="Contents"><ul>${links}<li><a href="#verdicts">Codes of verdicts</a></li><li><a href="#errors">Errors</a></li><li><a href="#schemas">Bodies</a></li></ul></nav>
<main>
<section id="verifier"><h2>Who may ask</h2>${renderSecurity(document)}</section>
${sections.map(({ id, title, path, operation }) => renderOperation(id, title, path, operation)).join('\n')}
<section id="verdicts"><h2>Codes of verdicts</h2>
<p>In this order: the first rule that denies is the answer.</p>
${renderTable(
  ['Code', 'Meaning'],
  Object.entries(verdictCodes).map(([code, meaning]) => [codeOf(code), renderText(meaning)]),
)}
</section>
<section id="errors"><h2>Errors</h2>
<p>As <code>application/problem+json</code> (RFC 9457).</p>
${renderTable(
  ['Code', 'Status', 'Title', 'What to do'],
  Object.entries(ERROR_CATALOGUE).map(([code, { status, title, action }]) => {
    return [codeOf(code), String(status), renderText(title), renderText(action)]
  }),
)}
</section>
<section id="schemas"><h2>Bodies</h2>
${Object.entries(document.components.schemas).map(renderSchema).join('\n')}
</section>
</main>
</body>
</html>
`
}

interface Section {
  readonly id: string
  readonly title: string
  readonly path: string
  readonly operation: Operation
}

/** One for each path and what it does; a path that does the same for every method has one. */
function listSections({ paths }: OpenApiDocument): readonly Section[] {
  return Object.entries(paths).flatMap(([path, item]) => {
    const operations = Object.entries(item)
    const [first] = operations
    if (first === undefined) return []
    if (operations.length > 1) return [{ id: first[1].operationId, title: `ANY ${path}`, path, operation: first[1] }]
    return [{ id: first[1].operationId, title: `${first[0].toUpperCase()} ${path}`, path, operation: first[1] }]
  })
}

function renderSecurity({ components }: OpenApiDocument): string {
  const schemes = Object.values(components.securitySchemes).map((scheme) => {
    const where = scheme.type === 'http' ? 'Authorization: Bearer …' : `${scheme.name}: …`
    return [codeOf(where), renderText(scheme.description)]
  })
  return renderTable(['Header', 'Meaning'], schemes)
}

function renderOperation(id: string, title: string, path: string, operation: Operation): string {
  const { summary, description, parameters = [], requestBody, responses } = operation
  const example = findExample(requestBody?.content['application/json'])
  return `<section id="${id}">
<h2><code>${renderText(title)}</code></h2>
<p><strong>${renderText(summary)}.</strong> ${renderText(description)}</p>
${parameters.length === 0 ? '' : `<h3>Parameters</h3>${renderTable(['Name', 'In', 'Meaning'], parameters.map(renderParameter))}`}
${requestBody === undefined ? '' : `<h3>Body</h3><p>${Object.values(requestBody.content).map(linkBody).join(', ')}</p>`}
${example === undefined ? '' : `<pre><code>${renderText(formatCurl(path, example))}</code></pre>`}
<h3>Answers</h3>
${renderAnswerExamples(responses[200])}
${renderTable(['Status', 'Meaning', 'Headers', 'Body'], Object.entries(responses).map(renderResponse))}
</section>`
}

function renderParameter({ name, in: place, description }: Parameter): readonly string[] {
  return [codeOf(name), place, renderText(description)]
}

function renderResponse([status, response]: readonly [string, OpenApiResponse]): readonly string[] {
  const { description, headers = {}, content = {} } = response
  const names = Object.keys(headers).map(codeOf).join('<br>')
  return [status, renderText(description), names, Object.values(content).map(linkBody).join(', ')]
}

function linkBody({ schema }: MediaType): string {
  return describeType(schema)
}

function renderAnswerExamples(answer: OpenApiResponse | undefined): string {
  const examples = Object.values(answer?.content?.['application/json']?.examples ?? {})
  return examples
    .map(
      ({ summary, value }) => `<p>${renderText(summary)}:</p><pre><code>${renderText(formatJson(value))}</code></pre>`,
    )
    .join('\n')
}

/** Members line by line, what is in them on one line. */
function formatJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).map(([name, member]) => `  ${JSON.stringify(name)}: ${JSON.stringify(member)}`)
  return `{\n${members.join(',\n')}\n}`
}

function findExample(media: MediaType | undefined): unknown {
  return Object.values(media?.examples ?? {})[0]?.value
}

function formatCurl(path: string, example: unknown): string {
  return `curl -s "$KEYWARD${path}" \\
  -H "Authorization: Bearer $VERIFIER" \\
  -H "Content-Type: application/json" \\
  -d '${JSON.stringify(example)}'`
}

function renderSchema([name, schema]: readonly [string, Schema]): string {
  const { description, properties, required = [] } = schema
  const rows = Object.entries(properties ?? {}).map(([field, member]) => {
    return [codeOf(field), describeType(member), required.includes(field) ? 'yes' : '', describeMember(member)]
  })
  const body =
    properties === undefined
      ? `<p>${describeType(schema)}</p>`
      : renderTable(['Field', 'Type', 'Always', 'Meaning'], rows)
  return `<section id="schema-${name}"><h3>${name}</h3>${description === undefined ? '' : `<p>${renderText(description)}</p>`}${body}</section>`
}

function describeType(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1)
    return `<a href="#schema-${name}">${name}</a>`
  }
  if (schema.oneOf !== undefined) return schema.oneOf.map(describeType).join(' or ')
  if (schema.const !== undefined) return codeOf(String(schema.const))
  if (schema.enum !== undefined) return 'one of a list'
  if (schema.type === 'array') return `list of ${describeType(schema.items ?? {})}`
  if (schema.type === undefined) return 'any'
  return typeof schema.type === 'string' ? schema.type : schema.type.join(' or ')
}

function describeMember({ description, enum: values, maxLength, maxItems, minimum, maximum }: Schema): string {
  const rules = [
    values === undefined ? '' : renderCodes(values.map(String)),
    maxLength === undefined ? '' : `At most ${maxLength} characters.`,
    maxItems === undefined ? '' : `At most ${maxItems} entries.`,
    minimum === undefined ? '' : `At least ${minimum}.`,
    maximum === undefined ? '' : `At most ${maximum}.`,
  ]
  return [description === undefined ? '' : renderText(description), ...rules].filter((text) => text !== '').join(' ')
}

function codeOf(text: string): string {
  return `<code>${renderText(text)}</code>`
}

/** Cells are HTML already. */
function renderTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = headings.map((heading) => `<th scope="col">${heading}</th>`).join('')
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('\n')
  return `<div class="table"><table><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table></div>`
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0b62c4 }
@media (prefers-color-scheme: dark) { :root { --accent: #7db7ff } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1.25rem 6rem; font: 16px/1.55 system-ui, sans-serif }
h1 small { font-size: 1rem; font-weight: normal; opacity: .75 }
h2 { margin: 3rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1.5rem }
h3 { margin: 1.5rem 0 .5rem }
a { color: var(--accent) }
nav ul { columns: 16rem; padding-left: 1.25rem }
code { font: .875em/1.5 ui-monospace, monospace; background: var(--soft); border-radius: 3px; padding: .1em .3em }
td:first-child code, td br + code, td code:has(+ br) { white-space: nowrap }
pre { background: var(--soft); border-radius: 6px; padding: 1rem; overflow-x: auto }
pre code { background: none; padding: 0 }
.table { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9375rem }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line) }
`

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

/** Nothing is loaded and nothing runs; of styles, the one above. */
export const DOCS_CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${STYLE_HASH}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')
