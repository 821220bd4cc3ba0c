import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { explainStartFailure } from '../../src/installation/start-failure.ts'
import { parseReportKeys, ReportKeysError } from '../../src/leaks/report-keys.ts'
import { loadReportKeys } from '../../src/leaks/report-keys-file.ts'
import { isSigned, readSignatureClaim } from '../../src/leaks/report-signature.ts'

const vectorsPath = new URL('../vectors/github-secret-scanning.json', import.meta.url)
const vectors: {
  keys: { public_keys: { key_identifier: string; key: string }[] }
  requests: { identifier: string; signature: string; body: string }[]
} = JSON.parse(await readFile(vectorsPath, 'utf8'))
const published = JSON.stringify(vectors.keys)

const BODY = Buffer.from('[]')
const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pemOf = (key: KeyObject) => String(key.export({ type: 'spki', format: 'pem' }))
const document = (...keys: unknown[]) => JSON.stringify({ public_keys: keys })
const ownKeys = parseReportKeys(document({ key_identifier: 'own', key: pemOf(own.publicKey), is_current: true }))
const signBody = (key: KeyObject, body: Buffer = BODY) => sign('sha256', body, key).toString('base64')

function check(headers: Record<string, string>, body: Buffer, keys = ownKeys): boolean | null {
  const claim = readSignatureClaim(keys, headers)
  return claim && isSigned(body, claim)
}

const headersOf = (identifier: string, signature: string) => ({
  'github-public-key-identifier': identifier,
  'github-public-key-signature': signature,
})

describe('a signature', () => {
  test.each(vectors.requests)('of the documentation of GitHub counts, by key $identifier', (request) => {
    const headers = headersOf(request.identifier, request.signature)
    expect(check(headers, Buffer.from(request.body), parseReportKeys(published))).toBe(true)
    expect(check(headers, Buffer.from(`${request.body}\n`), parseReportKeys(published))).toBe(false)
  })

  test('of our own making counts for the body it was made of, byte by byte', () => {
    const signature = signBody(own.privateKey)
    expect(check(headersOf('own', signature), BODY)).toBe(true)
    for (const other of ['[ ]', '[]\n', '', '{}']) {
      expect(check(headersOf('own', signature), Buffer.from(other)), other).toBe(false)
    }
  })

  test('by another key does not count, nor one over another hash', () => {
    expect(check(headersOf('own', signBody(stranger.privateKey)), BODY)).toBe(false)
    expect(check(headersOf('own', sign('sha512', BODY, own.privateKey).toString('base64')), BODY)).toBe(false)
  })

  test('in another encoding does not count', () => {
    const raw = sign('sha256', BODY, { key: own.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64')
    expect(check(headersOf('own', raw), BODY)).toBe(false)
    const hex = sign('sha256', BODY, own.privateKey).toString('hex')
    expect(check(headersOf('own', hex), BODY)).toBeNull()
  })

  test('that is altered in any bit does not count', () => {
    const bytes = sign('sha256', BODY, own.privateKey)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const altered = Buffer.from(bytes)
      altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(check(headersOf('own', altered.toString('base64')), BODY), String(bit)).toBe(false)
    }
  })

  test.each([
    ['no headers', {}],
    ['no signature', { 'github-public-key-identifier': 'own' }],
    ['no identifier', { 'github-public-key-signature': signBody(own.privateKey) }],
    ['a key that is not known', headersOf('other', signBody(own.privateKey))],
    ['a key named like a property of objects', headersOf('__proto__', signBody(own.privateKey))],
    ['an empty signature', headersOf('own', '')],
    ['a signature with strange characters', headersOf('own', `${signBody(own.privateKey)}!`)],
    ['two signatures', headersOf('own', `${signBody(own.privateKey)}, ${signBody(own.privateKey)}`)],
    ['a signature of 10,000 characters', headersOf('own', 'A'.repeat(10_000))],
  ])('with %s is not even looked at', (_, headers) => {
    expect(check(headers, BODY)).toBeNull()
  })

  test.each([0, 1, 8, 64, 72])('of %i zero bytes does not count', (length) => {
    expect(check(headersOf('own', Buffer.alloc(length).toString('base64')), BODY)).not.toBe(true)
  })
})

describe('the file of public keys', () => {
  test('holds several, so that one can take the place of another', () => {
    expect([...parseReportKeys(published).keys()]).toEqual(
      vectors.keys.public_keys.map(({ key_identifier: identifier }) => identifier),
    )
  })

  const good = { key_identifier: 'own', key: pemOf(own.publicKey) }
  const ofCurve = (namedCurve: string) => pemOf(generateKeyPairSync('ec', { namedCurve }).publicKey)
  const noKey = 'The `key` of own is no public key of the curve P-256 in PEM.'
  const noName = 'Key 2 has no `key_identifier` of at most 256 printable characters.'
  test.each([
    ['nothing', '', 'It is no JSON object with a list `public_keys`.'],
    ['no JSON', 'nonsense', 'It is no JSON object with a list `public_keys`.'],
    ['null', 'null', 'It is no JSON object with a list `public_keys`.'],
    ['a list', '[]', 'It is no JSON object with a list `public_keys`.'],
    ['an object in the place of the list', '{"public_keys":{}}', 'It is no JSON object with a list `public_keys`.'],
    ['no key', document(), 'It holds no key.'],
    ['101 keys', document(...Array(101).fill(good)), 'It holds more than 100 keys.'],
    ['a name twice', document(good, good), 'It holds two keys named own.'],
    ['a key without a name', document(good, { key: good.key }), noName],
    ['a name with a line break', document(good, { ...good, key_identifier: 'a\nb' }), noName],
    ['null as a key', document(good, null), noName],
    ['no PEM', document({ ...good, key: 'nonsense' }), noKey],
    ['broken PEM', document({ ...good, key: good.key.replace('MF', 'XX') }), noKey],
    ['a number', document({ ...good, key: 7 }), noKey],
    ['a key of P-384', document({ ...good, key: ofCurve('P-384') }), noKey],
    ['a key of secp256k1', document({ ...good, key: ofCurve('secp256k1') }), noKey],
    ['an Ed25519 key', document({ ...good, key: pemOf(generateKeyPairSync('ed25519').publicKey) }), noKey],
    [
      'a private key',
      document({ ...good, key: String(own.privateKey.export({ type: 'pkcs8', format: 'pem' })) }),
      noKey,
    ],
  ])('with %s is refused in a sentence', (_, text, sentence) => {
    expect(() => parseReportKeys(text)).toThrow(new ReportKeysError(sentence))
  })

  test('stops the start when it cannot be used, and is named', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keyward-report-keys-'))
    try {
      const path = join(folder, 'keys.json')
      const explain = async () => {
        const error = await loadReportKeys(path).then(String, (failure: unknown) => failure)
        return explainStartFailure(error, { HOST: '127.0.0.1', PORT: 1, DATABASE_URL: undefined })
      }
      expect(await explain()).toMatch(/^LEAK_REPORT_KEYS_FILE .*keys\.json cannot be used\. ENOENT/)
      await writeFile(path, '{}')
      expect(await explain()).toBe(
        `LEAK_REPORT_KEYS_FILE ${path} cannot be used. It is no JSON object with a list \`public_keys\`.`,
      )
      await writeFile(path, published)
      expect((await loadReportKeys(path)).size).toBe(2)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('is not needed', async () => {
    expect((await loadReportKeys(undefined)).size).toBe(0)
  })
})
