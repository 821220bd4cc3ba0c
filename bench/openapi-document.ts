/**
 * An OpenAPI document with the shape of those of large public APIs: thousands of operations, each with long descriptions
 * and parameters, answers and schemas of its own. Always the same for the same size.
 *
 * What makes up for the size beyond its operations is prose, which such documents have most of.
 */
export function makeOpenApiDocument(operationCount: number, bytes: number): string {
  // All prose is of the same kind, so that two sizes tell all others.
  const few = Buffer.byteLength(build(operationCount, WORDS_FEW))
  const many = Buffer.byteLength(build(operationCount, 2 * WORDS_FEW))
  return build(operationCount, Math.floor(WORDS_FEW * (1 + (bytes - few) / (many - few))))
}

const WORDS_FEW = 20

function build(operationCount: number, wordsEach: number): string {
  const pick = createPick(SEED)
  const paths: Record<string, Record<string, object>> = {}
  for (let index = 0; index < operationCount; index++) {
    const place = Math.floor(index / METHODS_OF_RESOURCE.length)
    const path = `/resource-${Math.floor(place / PATHS_OF_RESOURCE)}/{id}/part-${place}`
    const method = METHODS_OF_RESOURCE[index % METHODS_OF_RESOURCE.length] ?? 'get'
    paths[path] = { ...paths[path], [method]: describeOperation(index, () => prose(pick, wordsEach)) }
  }
  return JSON.stringify({
    openapi: '3.1.0',
    info: { title: 'A large API', version: '2026-01-01', description: prose(pick, 200) },
    servers: [{ url: 'https://api.example.com/v1' }],
    paths,
    components: { schemas: { Problem: describeSchema(() => prose(pick, 20)) } },
  })
}

const METHODS_OF_RESOURCE = ['get', 'post', 'put', 'delete']
const PATHS_OF_RESOURCE = 5
const SEED = 20_260_101

function describeOperation(index: number, text: () => string): object {
  return {
    operationId: `operation${index}`,
    tags: [`Area ${index % 40}`],
    summary: text().slice(0, 80),
    description: text(),
    parameters: ['id', 'page', 'filter'].map((name) => ({
      name,
      in: name === 'id' ? 'path' : 'query',
      required: name === 'id',
      description: text(),
      schema: { type: 'string', maxLength: 100 },
    })),
    responses: {
      200: { description: text(), content: { 'application/json': { schema: describeSchema(text) } } },
      404: {
        description: 'There is none.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

function describeSchema(text: () => string): object {
  const properties = ['id', 'name', 'state', 'createdAt', 'owner', 'links'].map((name) => [
    name,
    { type: ['string', 'null'], description: text(), examples: [name] },
  ])
  return { type: 'object', required: ['id'], properties: Object.fromEntries(properties) }
}

/** Some of it is no Latin-1, as in what people write: a text with one such character takes twice the memory. */
const WORDS =
  'a the of returns list when given resource “quoted” must — not be \n\n caller owner token `code` page'.split(' ')

function prose(pick: (max: number) => number, words: number): string {
  return Array.from({ length: words }, () => WORDS[pick(WORDS.length)]).join(' ')
}

/** A linear congruential generator (Numerical Recipes): the same numbers on every machine. */
function createPick(seed: number): (max: number) => number {
  let state = seed
  return (max) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * max)
  }
}
