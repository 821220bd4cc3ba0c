import { getIntrospectionQuery } from 'graphql'
import { createSchema, createYoga } from 'graphql-yoga'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { costLimits } from '../../src/graphql/cost-limits.ts'
import { errorFormat } from '../../src/graphql/format-error.ts'
import { createPoints } from '../../src/graphql/points.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { send } from '../harness/client.ts'
import { seedAdmin } from '../harness/seed.ts'

const PER_ACTOR = 1000
const PER_ADDRESS = 300

let app: TestApp
let accessToken: string
let tenantId: string

beforeAll(async () => {
  app = await startTestApp({
    env: {
      GRAPHQL_POINTS_PER_MINUTE: String(PER_ACTOR),
      GRAPHQL_ANONYMOUS_POINTS_PER_MINUTE: String(PER_ADDRESS),
      TRUSTED_PROXIES: '127.0.0.1',
      CORS_ORIGINS: 'https://app.example.com',
    },
  })
  const admin = await seedAdmin(app)
  accessToken = admin.accessToken
  tenantId = (await admin.tenant()).tenantId
})
afterAll(() => app.stop())

interface Asked {
  readonly variables?: Record<string, unknown>
  readonly token?: string
  /** Where it comes from. */
  readonly from?: string
  readonly accept?: string
}

/** Over a socket, as somebody from some address. */
async function ask(query: string, { variables, token, from = '192.0.2.1', accept }: Asked = {}) {
  const { status, headers, text } = await send(app, '/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: accept ?? 'application/graphql-response+json',
      'x-forwarded-for': from,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors, extensions } = JSON.parse(text)
  return { status, headers, data, errors, cost: extensions?.cost }
}

/** Everything that was spent is a minute ago; a session does not last as long as these tests. */
async function beginAnew(): Promise<void> {
  app.clock.advance(61_000)
  accessToken = (await seedAdmin(app)).accessToken
}

/** Asks for exactly as many points, at most some 700. */
const points = (count: number) =>
  `{ viewer { ... on User { ${Array.from({ length: count - 1 }, () => 'id').join(' ')} } } }`

describe('each answer tells what the operation cost', () => {
  test.each<[string, string, number]>([
    ['one field', '{ viewer { __typename } }', 2],
    ['fields of fields', '{ viewer { ... on User { id email } } }', 3],
    ['rows that could come back', 'query ($id: ID!) { apiKeys(tenantId: $id, first: 50) { nodes { id name } } }', 151],
    ['the same field twice', '{ a: viewer { __typename } b: viewer { __typename } }', 4],
  ])('counting %s', async (_, query, requested) => {
    await beginAnew()
    const { cost, data, headers } = await ask(query, { token: accessToken, variables: { id: tenantId } })
    expect(data).not.toBeNull()
    expect(cost).toEqual({ requested, limit: PER_ACTOR })
    expect(headers.get('ratelimit')).toBe(`"minute";r=${PER_ACTOR - requested};t=60`)
  })

  test('counting 100 for each change, wherever in the document it stands', async () => {
    await beginAnew()
    const one = 'sessionRefresh(input: { refreshToken: "none" }) { __typename }'
    expect((await ask(`mutation { ${one} }`)).cost.requested).toBe(102)
    const query = `mutation { a: ${one} ...F } fragment F on Mutation { ... { b: ${one} } }`
    expect((await ask(query, { from: '192.0.2.2' })).cost.requested).toBe(204)
  })

  test('counting 1000 for a look at the schema', async () => {
    await beginAnew()
    const { cost, data } = await ask('{ __type(name: "Query") { name } }', { token: accessToken })
    expect({ data, requested: cost.requested, limit: cost.limit }).toEqual({
      data: undefined,
      requested: 1001,
      limit: PER_ACTOR,
    })
  })

  test('also when a field of it fails', async () => {
    await beginAnew()
    const { errors, cost } = await ask('{ tenants(first: 5) { totalCount } }')
    expect(errors[0].extensions.code).toBe('UNAUTHENTICATED')
    expect(cost).toEqual({ requested: 6, limit: PER_ADDRESS })
  })

  test('but not when its variables are not valid, for what was then not looked at costs nothing', async () => {
    const query = 'query ($id: ID!) { tenant(id: $id) { id } }'
    expect(await ask(query, { token: accessToken })).toMatchObject({ status: 400, cost: undefined })
  })
})

describe('headers', () => {
  test('say what is left as those of /verify do', async () => {
    await beginAnew()
    const { headers } = await ask(points(40), { token: accessToken })
    expect(headers.get('ratelimit-policy')).toBe('"minute";q=1000;w=60')
    expect(headers.get('ratelimit')).toBe('"minute";r=960;t=60')
    expect(headers.get('retry-after')).toBeNull()
  })

  test('can be read by pages of origins that may ask', async () => {
    const { headers } = await send(app, '/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: 'https://app.example.com' },
      body: '{"query":"{ __typename }"}',
    })
    expect(headers.get('access-control-expose-headers')).toContain('ratelimit, ratelimit-policy')
  })
})

describe('who has spent its points of the minute', () => {
  test('is refused with the time to wait, executes nothing, and pays nothing for it', async () => {
    await beginAnew()
    for (let i = 0; i < 10; i++) await ask(points(99), { token: accessToken })
    const statements = app.statements.length
    const refused = await ask(points(11), { token: accessToken })
    expect(refused).toMatchObject({
      status: 429,
      data: undefined,
      errors: [
        {
          message: 'The operation costs 11 points, and 10 of 1000 per minute are left.',
          extensions: { code: 'RATE_LIMITED', retryAfterSeconds: 60 },
        },
      ],
      cost: { requested: 11, limit: 1000 },
    })
    expect(refused.headers.get('retry-after')).toBe('60')
    expect(refused.headers.get('ratelimit')).toBe('"minute";r=10;t=60')
    expect(app.statements.slice(statements).filter((sql) => !/"sessions"|usage/.test(sql))).toEqual([])
    expect((await ask(points(10), { token: accessToken })).status).toBe(200)
  })

  test('is refused in the same way when it accepts plain JSON', async () => {
    const { status, errors } = await ask(points(11), { token: accessToken, accept: 'application/json' })
    expect({ status, code: errors[0].extensions.code }).toEqual({ status: 429, code: 'RATE_LIMITED' })
  })

  test('is admitted again after exactly the time it was told', async () => {
    await beginAnew()
    await ask(points(600), { token: accessToken })
    app.clock.advance(20_000)
    await ask(points(400), { token: accessToken })
    const { headers } = await ask(points(500), { token: accessToken })
    expect(headers.get('retry-after')).toBe('40')
    app.clock.advance(39_999)
    expect((await ask(points(500), { token: accessToken })).status).toBe(429)
    app.clock.advance(1)
    expect((await ask(points(500), { token: accessToken })).status).toBe(200)
  })

  test('spends the same points from every address', async () => {
    await beginAnew()
    await ask(points(500), { token: accessToken, from: '192.0.2.3' })
    await ask(points(490), { token: accessToken, from: '192.0.2.3' })
    expect((await ask(points(20), { token: accessToken, from: '198.51.100.4' })).status).toBe(429)
  })

  test('cannot get more by saying nothing of itself: that is paid by the address', async () => {
    await beginAnew()
    const spend = () => ask(points(200), { from: '192.0.2.5' })
    expect((await spend()).status).toBe(200)
    expect((await spend()).status).toBe(429)
    expect((await ask(points(200), { from: '192.0.2.6' })).status).toBe(200)
    expect((await ask(points(200), { from: '192.0.2.5', token: accessToken })).status).toBe(200)
  })

  test('is one network where it has an IPv6 network', async () => {
    await beginAnew()
    expect((await ask(points(200), { from: '2001:db8:1:2::1' })).status).toBe(200)
    expect((await ask(points(200), { from: '2001:db8:1:2:ffff::9' })).status).toBe(429)
    expect((await ask(points(200), { from: '2001:db8:1:3::1' })).status).toBe(200)
  })

  test('gets exactly as many operations as fit, however many are sent at once', async () => {
    await beginAnew()
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(points(30), { token: accessToken })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(33)
  })

  test('is counted for operators', async () => {
    const { text } = await send(app, '/metrics')
    expect(Number(/^keyward_graphql_rate_limited_total (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(17)
    expect(text).toMatch(/^keyward_graphql_callers\{kind="address"\} [1-9]/m)
  })
})

test('what costs more than a caller has in a minute is told so, not to wait', async () => {
  await beginAnew()
  const { status, errors, cost, headers } = await ask(points(301))
  expect({ status, code: errors[0].extensions.code }).toEqual({ status: 400, code: 'QUERY_TOO_COMPLEX' })
  expect(cost).toEqual({ requested: 301, limit: PER_ADDRESS })
  expect(headers.get('retry-after')).toBeNull()
})

test('a clock that is set back neither opens nor shuts a limit', async () => {
  await beginAnew()
  await ask(points(500), { token: accessToken })
  await ask(points(490), { token: accessToken })
  app.clock.advance(-3_600_000)
  expect((await ask(points(11), { token: accessToken })).status).toBe(429)
  app.clock.advance(61_000)
  expect((await ask(points(11), { token: accessToken })).status).toBe(200)
})

describe('a subscription', () => {
  /** A server whose only subscription sends two events; what it costs is the point here. */
  async function subscribe(perActor: number, times: number) {
    const points = createPoints({ clock: app.clock, perActor, perAddress: 1 })
    const yoga = createYoga<Record<string, unknown>>({
      schema: createSchema({
        typeDefs: 'type Query { a: Int } type Subscription { numbers: Int }',
        resolvers: { Subscription: { numbers: { subscribe: twoEvents, resolve: (event: number) => event } } },
      }),
      logging: false,
      maskedErrors: false,
      context: () => ({ caller: { actor: { kind: 'apiKey', apiKeyId: 'key' }, origin: { ip: null } } }),
      plugins: [
        costLimits(points),
        errorFormat({ logger: { error() {} }, isUnavailable: () => false, isGone: () => false }),
      ],
    })
    const answers = []
    for (let index = 0; index < times; index++) {
      const headers = new Headers()
      const nodeResponse = { setHeader: (name: string, value: string) => headers.set(name, value) }
      const response = await yoga.fetch(
        'http://localhost/graphql',
        {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
          body: '{"query":"subscription { numbers }"}',
        },
        { nodeResponse, requestId: 'r-1' },
      )
      answers.push({ headers, text: await response.text() })
    }
    return answers
  }

  async function* twoEvents() {
    yield 1
    yield 2
  }

  test('is paid once when it is opened, whatever it sends', async () => {
    const [first, second] = await subscribe(10, 2)
    expect(first?.text).toMatch(/"numbers":1.*"numbers":2/s)
    expect(first?.headers.get('ratelimit')).toBe('"minute";r=9;t=60')
    expect(second?.headers.get('ratelimit')).toBe('"minute";r=8;t=60')
  })

  test('is refused to who has nothing left', async () => {
    const [first, second] = await subscribe(1, 2)
    expect(first?.text).toContain('"numbers":1')
    expect(second?.text).toContain('RATE_LIMITED')
    expect(second?.text).not.toContain('"numbers"')
  })
})

test('without any setting there is room for a dashboard and for GraphiQL', async () => {
  const generous = await startTestApp()
  try {
    const admin = await seedAdmin(generous)
    const page = await send(generous, '/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${admin.accessToken}` },
      body: JSON.stringify({ query: getIntrospectionQuery() }),
    })
    expect(JSON.parse(page.text).extensions.cost).toEqual({ requested: 1001, limit: 20_000 })
    expect(page.headers.get('ratelimit-policy')).toBe('"minute";q=30000000;w=60')
  } finally {
    await generous.stop()
  }
})
