import { createHmac } from 'node:crypto'
import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEnvelope } from '../../src/secrets/envelope.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send, sendGraphQL } from '../harness/client.ts'
import { Viewer } from '../harness/operations.ts'
import { seedUser, type UserSeed } from '../harness/seed.ts'

let app: TestApp
let user: UserSeed
let publicJwk: { x: string }
let privateKey: CryptoKey

const MASTER_KEY = new Uint8Array(32).fill(7)

beforeAll(async () => {
  app = await startTestApp({ masterKey: MASTER_KEY })
  user = await seedUser(app)
  const [row] = await app.query<{ id: string; public_jwk: { x: string }; sealed_private_key: Buffer }>(
    'SELECT id, public_jwk, sealed_private_key FROM signing_keys',
  )
  if (!row) throw new Error('There is no signing key.')
  publicJwk = row.public_jwk
  const opened = createEnvelope(MASTER_KEY).open(row.sealed_private_key, `signing key ${row.id}`)
  const imported = await importJWK(JSON.parse(Buffer.from(opened).toString()), 'EdDSA')
  if (imported instanceof Uint8Array) throw new Error('Not a key pair.')
  privateKey = imported
})
afterAll(() => app.stop())

interface Forgery {
  readonly alg?: string
  readonly issuer?: string
  readonly audience?: string
  readonly subject?: string
  readonly sid?: unknown
  readonly key?: CryptoKey
  readonly expiresInSeconds?: number
}

/** A token with one thing wrong; without any, a good one. */
function sign(forgery: Forgery = {}): Promise<string> {
  const claims = readClaims(user.accessToken)
  const now = Math.floor(app.clock.now() / 1000)
  const sid = 'sid' in forgery ? forgery.sid : claims.sid
  return new SignJWT(sid === undefined ? {} : { sid })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
    .setIssuer(forgery.issuer ?? 'keyward')
    .setAudience(forgery.audience ?? 'keyward')
    .setSubject(forgery.subject ?? claims.sub)
    .setIssuedAt(now)
    .setExpirationTime(now + (forgery.expiresInSeconds ?? 60))
    .sign(forgery.key ?? privateKey)
}

function readClaims(token: string): { sub: string; sid: string } {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

async function expectRefused(token: string): Promise<void> {
  const answer = await sendGraphQL(app, Viewer, {}, token)
  expect(answer).toMatchObject({ status: 401, data: null, errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
  expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="keyward"')
}

test('a token that is signed as ours are is taken, so that the refusals below are about what they say', async () => {
  const { data } = await sendGraphQL(app, Viewer, {}, await sign())
  expect(data?.viewer).toMatchObject({ __typename: 'User', id: user.userId })
})

test('an access token counts until the second at which it expires', async () => {
  const { accessToken } = await seedUser(app)
  const startedAt = app.clock.now()
  app.clock.advance(15 * 60 * 1000 - (startedAt % 1000) - 1)
  expect((await sendGraphQL(app, Viewer, {}, accessToken)).status).toBe(200)
  app.clock.advance(1)
  const answer = await sendGraphQL(app, Viewer, {}, accessToken)
  expect(answer).toMatchObject({
    status: 401,
    errors: [{ message: 'The access token has expired; get another with `sessionRefresh`.' }],
  })
  app.clock.advance(startedAt - app.clock.now())
})

test.each<[string, Forgery]>([
  ['another issuer', { issuer: 'somebody' }],
  ['another audience', { audience: 'somebody' }],
  ['no session', { sid: undefined }],
  ['a session that is no text', { sid: 42 }],
  ['a session that is no id', { sid: 'x' }],
  ['a session that is the id of something else', { sid: 'key_01890000000070008000000000000000' }],
  ['a session that does not exist', { sid: 'ses_01890000000070008000000000000000' }],
  ['a person that is no id', { subject: 'x' }],
  ['a time that is over', { expiresInSeconds: -1 }],
])('a token with %s is refused', async (_, forgery) => {
  await expectRefused(await sign(forgery))
})

test("a token with another person's session is refused", async () => {
  const other = await seedUser(app)
  await expectRefused(await sign({ sid: readClaims(other.accessToken).sid }))
  await expectRefused(await sign({ subject: other.userId }))
})

test('a token that somebody else signed is refused', async () => {
  const { privateKey: foreign } = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
  await expectRefused(await sign({ key: foreign }))
})

test('a token whose claims were changed after signing is refused', async () => {
  const [header, claims, signature] = (await sign()).split('.')
  const changed = { ...JSON.parse(Buffer.from(claims ?? '', 'base64url').toString()), exp: 9_999_999_999 }
  await expectRefused(`${header}.${encode(changed)}.${signature}`)
})

test('a token that says it needs no signature is refused', async () => {
  const [, claims] = (await sign()).split('.')
  await expectRefused(`${encode({ alg: 'none', typ: 'JWT' })}.${claims}.`)
})

test.each([
  ['the raw public key', () => Buffer.from(publicJwk.x, 'base64url')],
  ['the public key as JSON', () => Buffer.from(JSON.stringify(publicJwk))],
])('a token that is signed with %s as if it were a shared secret is refused', async (_, secret) => {
  const [, claims] = (await sign()).split('.')
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${claims}`
  await expectRefused(`${signed}.${createHmac('sha256', secret()).update(signed).digest('base64url')}`)
})

test('a token that brings its own key is refused', async () => {
  const { privateKey: foreign, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const { sub, sid } = readClaims(user.accessToken)
  const token = await new SignJWT({ sid })
    .setProtectedHeader({ alg: 'EdDSA', jwk: await exportJWK(publicKey) })
    .setIssuer('keyward')
    .setAudience('keyward')
    .setSubject(sub)
    .setExpirationTime(Math.floor(app.clock.now() / 1000) + 60)
    .sign(foreign)
  await expectRefused(token)
})

test.each([
  ['a scheme we do not know', 'Basic YTpi'],
  ['no token', 'Bearer'],
  ['an empty token', 'Bearer  '],
  ['two tokens', 'Bearer a b'],
  ['what is no JWT', 'Bearer x'],
  ['dots alone', 'Bearer ...'],
  ['an endless token', `Bearer ${'a.'.repeat(5000)}`],
])('an Authorization header with %s is refused, not taken for nobody', async (_, authorization) => {
  const answer = await send(app, '/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body: JSON.stringify({ query: '{ viewer { __typename } }' }),
  })
  expect(answer.status).toBe(401)
  expect(JSON.parse(answer.text).errors[0].extensions).toEqual({ code: 'UNAUTHENTICATED' })
})
