import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createGuardedClient, type GetBounds, type GuardedClient } from '../../src/http/guarded-client.ts'
import { createAddressJudge } from '../../src/http/public-address.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const BOUNDS = { bytesMax: 1000, deadlineMs: 5_000 }

function get(url: string, allowedRanges = ['127.0.0.0/8'], bounds = BOUNDS): Promise<unknown> {
  return getText(createGuardedClient({ allowedRanges }), url, bounds)
}

async function getText(client: GuardedClient, url: string, bounds: GetBounds): Promise<unknown> {
  const got = await client.getBytes(url, bounds)
  return got.ok ? { ok: true, text: Buffer.concat(got.chunks).toString() } : got
}

function refusal(message: RegExp): unknown {
  return { ok: false, detail: expect.stringMatching(message) }
}

describe('an address', () => {
  test.each(['93.184.216.34', '1.1.1.1', '2606:4700::1111'])('%s is public', (address) => {
    expect(createAddressJudge([])(address)).toBe('public')
  })

  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.31.255.255',
    '192.168.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:db8::1',
    'no address',
  ])('%s is refused', (address) => {
    expect(createAddressJudge([])(address)).toBe('refused')
  })

  test('is allowed in the ranges of the operator alone', () => {
    const judge = createAddressJudge(['10.0.0.0/8', '::1'])
    expect(['10.9.9.9', '::1', '127.0.0.1', '1.1.1.1'].map(judge)).toEqual(['allowed', 'allowed', 'refused', 'public'])
  })
})

describe('a URL', () => {
  test('of an allowed address is fetched, with nothing of ours beside it', async () => {
    let headers: unknown
    const base = await serve((req, res) => {
      headers = req.headers
      res.end('hello')
    })
    expect(await get(`${base}/x?y=1`)).toEqual({ ok: true, text: 'hello' })
    expect(Object.keys(headers as object).sort()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ])
  })

  test.each([
    ['https://127.0.0.1/', /public address/],
    ['https://[::1]/', /public address/],
    ['https://2130706433/', /public address/],
    ['https://0x7f.1/', /public address/],
    ['https://169.254.169.254/latest/meta-data', /public address/],
    ['https://localhost/', /public address/],
    ['http://1.1.1.1/', /https/],
    ['ftp://1.1.1.1/', /https/],
    ['file:///etc/passwd', /https/],
    ['https://user:secret@1.1.1.1/', /user or a password/],
    ['no url', /cannot be read/],
  ])('%s is refused', async (url, message) => {
    expect(await get(url, [])).toEqual(refusal(message))
  })

  test('whose name leads to a private address beside a public one is refused', async () => {
    const resolve = async () => ['93.184.216.34', '10.0.0.1']
    const client = createGuardedClient({ allowedRanges: [], resolve })
    expect(await getText(client, 'https://example.com/', BOUNDS)).toEqual(refusal(/public address/))
  })

  test('is connected to the address that was judged, whatever the name leads to afterwards', async () => {
    const base = await serve((req, res) => res.end(req.headers.host))
    const { port } = new URL(base)
    let asked = 0
    const resolve = async () => [++asked === 1 ? '127.0.0.1' : '10.0.0.1']
    const client = createGuardedClient({ allowedRanges: ['127.0.0.1'], resolve })
    const text = `rebinding.example:${port}`
    expect(await getText(client, `http://${text}/`, BOUNDS)).toEqual({ ok: true, text })
    expect(asked).toBe(1)
  })

  test('that redirects is followed within what is allowed, and three times at most', async () => {
    const base = await serve((req, res) => {
      const left = Number(req.url?.slice(1))
      if (left === 0) res.end('here')
      else res.writeHead(302, { location: `/${left - 1}` }).end()
    })
    expect(await get(`${base}/3`)).toEqual({ ok: true, text: 'here' })
    expect(await get(`${base}/4`)).toEqual(refusal(/more than 3 times/))
  })

  test.each(['http://10.0.0.1/', 'https://[fd00::1]/', 'file:///etc/passwd', 'http://1.1.1.1/', 'http://['])(
    'that redirects to %s is refused',
    async (location) => {
      const base = await serve((_req, res) => res.writeHead(307, { location }).end())
      expect(await get(base)).toEqual(refusal(/public address|https|no URL/))
    },
  )

  test('that answers with too much, another status or not at all is refused', async () => {
    const base = await serve((req, res) => {
      if (req.url === '/large') res.end('x'.repeat(1001))
      else if (req.url === '/missing') res.writeHead(404).end('secret')
      else if (req.url === '/cut') res.writeHead(200, { 'content-length': '10' }).write('x', () => res.destroy())
      else if (req.url === '/drip') res.write('x')
    })
    expect(await get(`${base}/large`)).toEqual(refusal(/more than 1000 bytes/))
    expect(await get(`${base}/missing`)).toEqual(refusal(/status 404\.$/))
    expect(await get(`${base}/cut`)).toEqual(refusal(/cannot be reached/))
    const hasty = { ...BOUNDS, deadlineMs: 200 }
    for (const path of ['/drip', '/silent'])
      expect(await get(`${base}${path}`, undefined, hasty)).toEqual(refusal(/within 0\.2 seconds/))
    expect(await get('http://127.0.0.1:1/')).toEqual(refusal(/cannot be reached/))
  })
})
