import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { createClientIp, createForwardedClientIp } from '../../src/http/client-ip.ts'

function requestFrom(peer: string, forwardedFor?: string): IncomingMessage {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: peer })
  const request = new IncomingMessage(socket)
  if (forwardedFor !== undefined) request.headers['x-forwarded-for'] = forwardedFor
  return request
}

const TRUSTED = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1']

const cases: readonly (readonly [string, string | undefined, string | null])[] = [
  ['203.0.113.7', undefined, '203.0.113.7'],
  ['::ffff:203.0.113.7', undefined, '203.0.113.7'],
  ['203.0.113.7', '198.51.100.1', '203.0.113.7'],
  ['10.1.2.3', undefined, '10.1.2.3'],
  ['10.1.2.3', '198.51.100.1', '198.51.100.1'],
  ['10.1.2.3', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
  ['10.1.2.3', '198.51.100.1, 10.9.9.9, 192.0.2.1', '198.51.100.1'],
  ['10.1.2.3', '198.51.100.1,nonsense', null],
  ['10.1.2.3', 'unknown, 10.9.9.9', null],
  ['10.1.2.3', 'unknown', null],
  ['10.1.2.3', '', '10.1.2.3'],
  ['10.1.2.3', '198.51.100.1:4711, 10.9.9.9:80', '198.51.100.1'],
  ['10.1.2.3', '[2001:db9::1]:443, 10.9.9.9', '2001:db9::1'],
  ['10.1.2.3', '[2001:db9::1], [2001:db8::7]:443', '2001:db9::1'],
  ['10.1.2.3', '198.51.100.1:123456', null],
  ['10.1.2.3', '198.51.100.1:', null],
  ['10.1.2.3', '[198.51.100.1]:80:80', null],
  ['10.1.2.3', '2001:db9::1]:443', null],
  ['10.1.2.3', 'nonsense, 198.51.100.1', '198.51.100.1'],
  ['10.1.2.3', '10.4.4.4, 10.5.5.5', '10.4.4.4'],
  ['2001:db8::5', '2001:db9::1', '2001:db9::1'],
  ['::ffff:10.1.2.3', '198.51.100.1', '198.51.100.1'],
]

test.each(cases)('a request from %s that says it was forwarded for %s comes from %s', (peer, forwardedFor, client) => {
  expect(createClientIp(TRUSTED)(requestFrom(peer, forwardedFor))).toBe(client)
})

/** A rule that admits the network of proxies must not admit whom a proxy could not name. */
const forwarded: readonly (readonly [string, string | undefined, string | null])[] = [
  ['203.0.113.7', undefined, '203.0.113.7'],
  ['203.0.113.7', '198.51.100.1', null],
  ['10.1.2.3', undefined, null],
  ['10.1.2.3', '', null],
  ['10.1.2.3', 'unknown', null],
  ['10.1.2.3', 'unknown, 10.9.9.9', null],
  ['10.1.2.3', '198.51.100.1, , 10.9.9.9', null],
  ['10.1.2.3', '198.51.100.1, 10.9.9.9', '198.51.100.1'],
  ['10.1.2.3', '198.51.100.1:4711, 10.9.9.9', '198.51.100.1'],
  ['10.1.2.3', '[2001:db9::1]:443, 10.9.9.9', '2001:db9::1'],
  ['10.1.2.3', 'unknown, 198.51.100.1', '198.51.100.1'],
]

test.each(forwarded)('a proxy at %s that asks about a request of %s asks about one of %s', (peer, header, client) => {
  expect(createForwardedClientIp(TRUSTED)(requestFrom(peer, header))).toBe(client)
})

test('without trusted proxies nobody is believed', () => {
  expect(createClientIp([])(requestFrom('127.0.0.1', '198.51.100.1'))).toBe('127.0.0.1')
})

test('an entry that is neither address nor CIDR stops the start', () => {
  for (const entry of ['', 'localhost', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '10.0.0.0/-1']) {
    expect(() => createClientIp([entry])).toThrow(RangeError)
  }
})
