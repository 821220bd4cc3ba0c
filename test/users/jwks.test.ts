import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send } from '../harness/client.ts'
import { seedAdmin } from '../harness/seed.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())

test('anybody can check an access token with the published key, which shows no private half', async () => {
  const { status, headers, text } = await send(app, '/.well-known/jwks.json')
  expect(status).toBe(200)
  expect(headers.get('content-type')).toBe('application/jwk-set+json')
  expect(headers.get('cache-control')).toBe('public, max-age=300')
  const jwks = JSON.parse(text)
  expect(jwks.keys).toEqual([
    { kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', x: expect.any(String), kid: expect.any(String) },
  ])

  const { accessToken } = await seedAdmin(app)
  const { payload, protectedHeader } = await jwtVerify(accessToken, createLocalJWKSet(jwks), {
    issuer: 'keyward',
    audience: 'keyward',
    currentDate: new Date(app.clock.now()),
  })
  expect(payload.sub).toMatch(/^usr_/)
  expect(protectedHeader.kid).toBe(jwks.keys[0].kid)
})

test('who has the keys already is told that they are the same', async () => {
  const { headers } = await send(app, '/.well-known/jwks.json')
  const again = await send(app, '/.well-known/jwks.json', {
    headers: { 'if-none-match': headers.get('etag') ?? '' },
  })
  expect(again).toMatchObject({ status: 304, text: '' })
})

test('the path takes reading alone', async () => {
  expect((await send(app, '/.well-known/jwks.json', { method: 'POST' })).status).toBe(405)
})
