import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadOperationManifest } from '../../src/graphql/operation-manifest-file.ts'
import { parseOperationManifest } from '../../src/graphql/persisted-operations.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send } from '../harness/client.ts'
import { SessionCreate, Viewer } from '../harness/operations.ts'
import { seedAdmin } from '../harness/seed.ts'

/** What the code generator writes for the documents of these tests, as it writes it for those of any client. */
const FILE = join(import.meta.dirname, '../generated/graphql/persisted-documents.json')
const UNKNOWN = '{ viewer { __typename } } # nobody keeps this'
const hashOf = (document: string) => createHash('sha256').update(document).digest('hex')

let optional: TestApp
let required: TestApp
let viewer: string
let token: string

beforeAll(async () => {
  const env = { PERSISTED_OPERATIONS_FILE: FILE }
  optional = await startTestApp({ env })
  required = await startTestApp({ env: { ...env, PERSISTED_OPERATIONS: 'required' } })
  const documents = [...parseOperationManifest(await readFile(FILE, 'utf8')).values()]
  viewer = documents.find((document) => document.startsWith('query Viewer ')) ?? ''
  token = (await seedAdmin(optional)).accessToken
})
afterAll(() => Promise.all([optional.stop(), required.stop()]))

async function ask(app: TestApp, body: object, accept = 'application/graphql-response+json') {
  const { status, text } = await send(app, '/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept,
      ...(app === optional && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  })
  const answer = JSON.parse(text)
  return { status, data: answer.data, code: answer.errors?.[0]?.extensions?.code ?? answer.code, problem: answer }
}

const asDocumentId = (document: string) => ({ documentId: `sha256:${hashOf(document)}` })
const asApollo = (document: string) => ({
  extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(document) } },
})

describe.each([
  ['documentId', asDocumentId],
  ['extensions.persistedQuery', asApollo],
])('a hash as %s', (_, name) => {
  test('is executed as the document it stands for', async () => {
    const byHash = await ask(optional, name(viewer))
    expect(byHash).toMatchObject({ status: 200, data: { viewer: { __typename: 'User' } } })
    expect(byHash.problem).toEqual((await ask(optional, { query: viewer })).problem)
  })

  test('that nobody knows is told so, and what to do is in the catalogue', async () => {
    expect(await ask(optional, name(UNKNOWN))).toMatchObject({ status: 400, code: 'PERSISTED_QUERY_NOT_FOUND' })
    expect(await ask(optional, name(UNKNOWN), 'application/json')).toMatchObject({ status: 200 })
  })

  test('goes with its document, and registers nothing', async () => {
    expect(await ask(optional, { ...name(UNKNOWN), query: UNKNOWN })).toMatchObject({ status: 200 })
    expect(await ask(optional, name(UNKNOWN))).toMatchObject({ code: 'PERSISTED_QUERY_NOT_FOUND' })
  })

  test('does not go with another document', async () => {
    const { status, code, problem } = await ask(optional, { ...name(viewer), query: UNKNOWN })
    expect({ status, code }).toEqual({ status: 400, code: 'VALIDATION_FAILED' })
    expect(problem.errors[0].extensions.issues).toEqual([
      { path: ['query'], detail: 'is not the document whose hash was sent with it' },
    ])
  })
})

test('a hash takes variables and comes by GET too', async () => {
  const variables = { input: { email: 'nobody@example.com', password: 'not this one' } }
  const login = [...(await loadOperationManifest(FILE)).values()].find((one) =>
    one.startsWith('mutation SessionCreate('),
  )
  expect(login).toBeDefined()
  const { data } = await ask(required, { ...asDocumentId(login ?? ''), variables })
  expect(data.sessionCreate).toMatchObject({ code: 'INVALID_CREDENTIALS' })
  const path = `/graphql?documentId=sha256:${hashOf(viewer)}`
  const { text } = await send(optional, path, { headers: { 'x-keyward-csrf': '1' } })
  expect(JSON.parse(text).data).toEqual({ viewer: null })
})

test.each<[string, object]>([
  ['neither a document nor a hash', {}],
  ['a hash of another kind', { documentId: `md5:${'0'.repeat(32)}` }],
  ['a hash in upper case', { documentId: `sha256:${'A'.repeat(64)}` }],
  ['an id of no kind', { documentId: 'viewer' }],
  ['a persisted query without a hash', { extensions: { persistedQuery: { version: 1 } } }],
  [
    'a persisted query of another version',
    { extensions: { persistedQuery: { version: 2, sha256Hash: '0'.repeat(64) } } },
  ],
  ['a persisted query that is text', { extensions: { persistedQuery: 'x' } }],
])('%s is refused with the place and what belongs there', async (_, body) => {
  const { status, code, problem } = await ask(optional, body)
  expect({ status, code }).toEqual({ status: 400, code: 'VALIDATION_FAILED' })
  expect(problem.errors[0].detail).not.toBe('')
})

describe('where persisted operations are required', () => {
  test('they are executed, by their hash and by their text', async () => {
    expect(await ask(required, asDocumentId(viewer))).toMatchObject({ status: 200, data: { viewer: null } })
    expect(await ask(required, { query: viewer })).toMatchObject({ status: 200, data: { viewer: null } })
  })

  test.each([
    ['another document', UNKNOWN],
    ['one that differs by a blank', ' '],
    ['introspection', '{ __schema { types { name } } }'],
  ])('%s is refused', async (_, query) => {
    const document = query === ' ' ? `${viewer} ` : query
    expect(await ask(required, { query: document })).toMatchObject({ status: 403, code: 'PERSISTED_QUERY_REQUIRED' })
    expect(await ask(required, { query: document, ...asDocumentId(document) })).toMatchObject({ status: 403 })
  })

  test('there is no GraphiQL', async () => {
    const { status, text } = await send(required, '/graphql', { headers: { accept: 'text/html' } })
    expect({ status, code: JSON.parse(text).code }).toEqual({ status: 403, code: 'PERSISTED_QUERY_REQUIRED' })
  })
})

describe('a file of operations', () => {
  const load = async (text: string) => {
    const folder = await mkdtemp(join(tmpdir(), 'keyward-operations-'))
    const path = join(folder, 'operations.json')
    await writeFile(path, text)
    const failure: Error | null = await loadOperationManifest(path).then(
      () => null,
      (error) => error,
    )
    await rm(folder, { recursive: true })
    return failure?.message.replace(path, 'FILE') ?? null
  }

  test('may name hashes with and without their kind', async () => {
    expect(
      await load(JSON.stringify({ [hashOf('{ a }')]: '{ a }', [`sha256:${hashOf('{ b }')}`]: '{ b }' })),
    ).toBeNull()
  })

  test.each([
    ['that is no JSON', '{', 'It is no JSON object of documents by the SHA-256 of their text.'],
    ['that is a list', '["{ a }"]', 'It is no JSON object of documents by the SHA-256 of their text.'],
    [
      'with a document under another hash',
      `{"sha256:00": "{ a }"}`,
      `The document under sha256:00 has another SHA-256: sha256:${hashOf('{ a }')}.`,
    ],
  ])('%s stops the start with a sentence', async (_, text, sentence) => {
    expect(await load(text)).toBe(`PERSISTED_OPERATIONS_FILE FILE cannot be used. ${sentence}`)
  })

  test('that there is not stops the start with its path', async () => {
    await expect(loadOperationManifest('/nowhere/operations.json')).rejects.toThrow(
      /^PERSISTED_OPERATIONS_FILE \/nowhere\/operations\.json cannot be used\. ENOENT/,
    )
  })

  test('is complete: the generator writes every operation of its client', async () => {
    const documents = [...(await loadOperationManifest(FILE)).values()].join('\n')
    for (const operation of [SessionCreate, Viewer]) {
      const [, name] = /(?:query|mutation) (\w+)/.exec(operation.toString()) ?? []
      expect(documents).toContain(` ${name}`)
    }
  })
})
