import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PlainRequest, readPlainRequest } from '../../src/http/plain-request.ts'

const LINE = 'POST /verify HTTP/1.1'
const FIELDS = ['Host: api.example.com', 'Content-Type: application/json', 'Content-Length: 2']

function request(fields: readonly string[] = FIELDS, body = '{}', line = LINE): string {
  return `${[line, ...fields].join('\r\n')}\r\n\r\n${body}`
}

const read = (text: string): PlainRequest | null => readPlainRequest(Buffer.from(text, 'latin1'))
const withField = (field: string): string => request([...FIELDS, field])

describe('a request in the plainest form is recognised', () => {
  test('with all that a route may ask about it', () => {
    const fields = ['Authorization: Bearer abc', 'X-Forwarded-For: 10.0.0.1, ::1', 'X-Request-Id: r-1']
    const text = request([...FIELDS, ...fields])
    expect(read(text)).toEqual({
      lineEnd: LINE.length,
      headers: { authorization: 'Bearer abc', 'x-forwarded-for': '10.0.0.1, ::1' },
      requestId: 'r-1',
      bodyStart: text.length - 2,
      bodyEnd: text.length,
    })
  })

  test.each([
    ['names in any case', request(['hOST: x', 'content-type: application/json', 'CONTENT-LENGTH: 2'])],
    ['blanks around values', request(['Host: \t x', 'Content-Type:application/json  ', 'Content-Length: \t2\t'])],
    ['a connection that is to be kept', withField('Connection: Keep-Alive')],
    ['fields that nobody asks about, also repeated', request([...FIELDS, 'Accept: */*', 'Accept: a/b', 'X-Empty:'])],
    ['a body that is still to come', request(FIELDS, '')],
    ['an empty body', request([...FIELDS.slice(0, 2), 'Content-Length: 0'], '')],
  ])('%s', (_, text) => {
    expect(read(text)).not.toBeNull()
  })

  test('and blanks around values are no part of them', () => {
    expect(read(withField('Authorization: \t Bearer a b \t'))?.headers.authorization).toBe('Bearer a b')
  })
})

describe('what two readers could understand differently is left to the other one', () => {
  test.each([
    ['a transfer encoding', withField('Transfer-Encoding: chunked')],
    ['a transfer encoding in another case', withField('transfer-ENCODING: identity')],
    ['a repeated length', withField('Content-Length: 2')],
    ['a length in a list', request([...FIELDS.slice(0, 2), 'Content-Length: 2, 2'])],
    ['a length with a sign', request([...FIELDS.slice(0, 2), 'Content-Length: +2'])],
    ['a length in hexadecimal', request([...FIELDS.slice(0, 2), 'Content-Length: 0x2'])],
    ['a length with a blank in it', request([...FIELDS.slice(0, 2), 'Content-Length: 1 2'])],
    ['an empty length', request([...FIELDS.slice(0, 2), 'Content-Length: '])],
    ['a length of many digits', request([...FIELDS.slice(0, 2), 'Content-Length: 000000002'])],
    ['no length', request(FIELDS.slice(0, 2))],
    ['a blank before the colon', withField('X-A : b')],
    ['a folded line', request([...FIELDS, 'X-A: b', ' c'])],
    ['a name without a colon', withField('X-A')],
    ['an empty name', withField(': b')],
    ['a bare line feed', withField('X-A: b\nX-B: c')],
    ['a bare carriage return', withField('X-A: b\rX-B: c')],
    ['a NUL', withField('X-A: \0')],
    ['a byte beyond ASCII', withField('X-A: \xe9')],
    ['an empty line before it', `\r\n${request()}`],
    ['a repeated host', withField('Host: x')],
    ['no host', request(FIELDS.slice(1))],
    ['a repeated credential', request([...FIELDS, 'Authorization: a', 'Authorization: b'])],
    ['a repeated client', request([...FIELDS, 'X-Forwarded-For: a', 'X-Forwarded-For: b'])],
    ['a repeated request id', request([...FIELDS, 'X-Request-Id: a', 'X-Request-Id: b'])],
    ['another protocol', withField('Upgrade: websocket')],
    ['a connection that ends', withField('Connection: close')],
    ['a connection that names a field', withField('Connection: keep-alive, x-a')],
    ['the connection of a proxy', withField('Proxy-Connection: close')],
    ['a client that waits to be asked for the body', withField('Expect: 100-continue')],
    ['a trailer', withField('Trailer: x-a')],
    ['an encoded body', withField('Content-Encoding: identity')],
    ['another media type', request(['Host: x', 'Content-Type: text/plain', 'Content-Length: 2'])],
    [
      'a parameter of the media type',
      request(['Host: x', 'Content-Type: application/json;charset=utf-8', FIELDS[2] ?? '']),
    ],
    ['a repeated media type', withField('Content-Type: application/json')],
    ['a head that is large', withField(`X-A: ${'b'.repeat(8_192)}`)],
    ['a head of many fields', request([...FIELDS, ...Array.from({ length: 98 }, () => 'a:')])],
    ['a request line that is long', request(FIELDS, '{}', `POST /${'v'.repeat(64)} HTTP/1.1`)],
    ['nothing', ''],
  ])('%s', (_, text) => {
    expect(read(text)).toBeNull()
  })

  test('a head that has not come whole', () => {
    const head = request([...FIELDS, 'Authorization: Bearer abc'], '')
    for (let length = 0; length < head.length; length++) expect(read(head.slice(0, length))).toBeNull()
    expect(read(head)).not.toBeNull()
  })

  test('any bytes: nothing throws, and what is recognised ends with an empty line', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(200), (noise, at) => {
        const bytes = Buffer.from(request(), 'latin1')
        bytes.set(noise.subarray(0, bytes.length - Math.min(at, bytes.length)), Math.min(at, bytes.length))
        const plain = readPlainRequest(bytes)
        if (plain !== null) expect(bytes.toString('latin1', plain.bodyStart - 4, plain.bodyStart)).toBe('\r\n\r\n')
        readPlainRequest(Buffer.from(noise))
      }),
    )
  })
})
