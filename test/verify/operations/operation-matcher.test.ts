import { expect, test } from 'vitest'
import { compileOperations } from '../../../src/verify/operations/operation-matcher.ts'

/** `GET /pets` with its scope, which is the operation itself. */
function match(operations: readonly string[], basePath = '') {
  return compileOperations(
    operations.map((operation) => {
      const [method = '', path = ''] = operation.split(' ')
      return { method, path, basePath, scope: operation }
    }),
  )
}

test.each([
  ['GET', '/pet/7', 'GET /pet/{id}'],
  ['get', '/pet/7/', 'GET /pet/{id}'],
  ['HEAD', '/pet/7?x=1', 'GET /pet/{id}'],
  ['GET', '/pet/findByTags', 'GET /pet/findByTags'],
  ['GET', '/pet/find%42yTags', 'GET /pet/findByTags'],
  ['DELETE', '/pet/findByTags', 'DELETE /pet/{id}'],
  ['GET', '/pet/findByTags/photos', 'GET /pet/{id}/photos'],
  ['GET', '/', 'GET /'],
  ['POST', '/pet/7', null],
  ['GET', '/pet', null],
  ['GET', '/pet/7/photos/1', null],
  ['GET', '/PET/7', null],
  ['GET', '/pet/../admin', null],
  ['GET', '/pet/a%2fb', null],
  ['GET', '//pet/7', null],
  ['__proto__', '/pet/7', null],
  ['GET', '/__proto__', null],
])('%s %s is %s', async (method, path, expected) => {
  const matcher = await match([
    'GET /pet/{id}',
    'GET /pet/findByTags',
    'DELETE /pet/{id}',
    'GET /pet/{id}/photos',
    'GET /',
  ])
  expect(matcher.findScope(method, path)).toBe(expected)
})

test('a path may come with or without the base path of the server, and a full path of another API comes first', async () => {
  const matcher = await compileOperations([
    { method: 'GET', path: '/pets', basePath: '/api/v3', scope: 'based' },
    { method: 'GET', path: '/pets', basePath: '', scope: 'bare' },
  ])
  expect(matcher.findScope('GET', '/api/v3/pets')).toBe('based')
  expect(matcher.findScope('GET', '/pets')).toBe('bare')
  expect((await match(['GET /pets'], '/api')).findScope('GET', '/pets')).toBe('GET /pets')
})

test('of two operations with one method and path the first counts', async () => {
  const operations = ['first', 'second'].map((scope) => ({
    method: 'GET',
    path: `/pets/{${scope}}`,
    basePath: '',
    scope,
  }))
  expect((await compileOperations(operations)).findScope('GET', '/pets/7')).toBe('first')
})

test('templates that are made to lead astray end the search, and the request has no operation', async () => {
  const templates = Array.from({ length: 2 ** 12 }, (_, bits) =>
    Array.from({ length: 12 }, (_, place) => ((bits >> place) & 1 ? '/a' : '/{x}')).join(''),
  )
  const matcher = await match(templates.map((template) => `GET ${template}/end`))
  expect(matcher.findScope('GET', `${'/a'.repeat(12)}/end`)).not.toBeNull()
  const startedAt = performance.now()
  for (let round = 0; round < 1000; round++) expect(matcher.findScope('GET', `${'/a'.repeat(12)}/x`)).toBeNull()
  expect(performance.now() - startedAt).toBeLessThan(2_000)
})

test('others have their turns while many operations are compiled', async () => {
  let turns = 0
  const ticking = setInterval(() => turns++, 1)
  const path = (index: number) => Array.from({ length: 32 }, (_, place) => `/p${index}x${place}`).join('')
  const matcher = await match(
    Array.from({ length: 2_000 }, (_, index) => `GET ${path(index)}`),
    '/base',
  )
  clearInterval(ticking)
  expect(turns).toBeGreaterThan(5)
  expect(matcher.findScope('GET', `/base${path(1_999)}`)).not.toBeNull()
})
