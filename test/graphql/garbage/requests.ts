import { FIELD_CASES, type ThingIds } from '../field-cases.ts'
import type { Random } from './random.ts'
import { anyText, anyValue, mutate, spoil } from './values.ts'

export interface GarbageRequest {
  /** What is wrong with it, for the message of a failure. */
  readonly kind: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

export interface GarbageSources {
  readonly verifierToken: string
  /** A live key. */
  readonly token: string
  readonly accessTokens: readonly string[]
  readonly own: ThingIds
  readonly foreign: ThingIds
}

type Maker = (random: Random, sources: GarbageSources) => GarbageRequest

const JSON_TYPE = { 'content-type': 'application/json' }

const goodVerify = (token: string) => ({
  key: token,
  scopes: ['orders:read'],
  scopeQuery: 'orders:read AND (orders:write OR stock:*)',
  environment: 'PRODUCTION',
  ip: '192.0.2.1',
  userAgent: 'a browser',
  origin: 'https://app.example.com',
  method: 'GET',
  path: '/orders/1?x=1',
  requireOperationScope: false,
  cost: 1,
  tags: { team: 'a' },
})

function verifyWith(
  kind: string,
  body: string | null,
  token: string,
  headers: Record<string, string> = {},
): GarbageRequest {
  const authorization = { authorization: `Bearer ${token}` }
  return { kind, method: 'POST', path: '/verify', headers: { ...JSON_TYPE, ...authorization, ...headers }, body }
}

const verifyMakers: readonly Maker[] = [
  (random, { verifierToken, token }) =>
    verifyWith('a body with something wrong', JSON.stringify(spoil(random, goodVerify(token))), verifierToken),
  (random, { verifierToken, token }) =>
    verifyWith('a body that was mangled', mutate(random, JSON.stringify(goodVerify(token))), verifierToken),
  (random, { verifierToken }) => verifyWith('any JSON', JSON.stringify(anyValue(random)), verifierToken),
  (random, { verifierToken }) =>
    verifyWith('a key of any text', JSON.stringify({ key: anyText(random) }), verifierToken),
  (random, { verifierToken, token }) =>
    verifyWith('a key that was mangled', JSON.stringify({ key: mutate(random, token) }), verifierToken),
  (random, { verifierToken, token }) =>
    verifyWith(
      'a scope query of any text',
      JSON.stringify({ key: token, scopeQuery: anyScopeQuery(random) }),
      verifierToken,
    ),
  (random, { token, verifierToken }) =>
    verifyWith('a verifier that is none', JSON.stringify({ key: token }), headerText(mutate(random, verifierToken))),
  (random, { token }) => ({
    ...verifyWith('no proper authorization', JSON.stringify({ key: token }), 'x'),
    headers: { ...JSON_TYPE, authorization: headerText(anyText(random)) },
  }),
  (random, { token, verifierToken }) =>
    verifyWith('another type', JSON.stringify({ key: token }), verifierToken, {
      'content-type': random.pick([
        'text/plain',
        'application/xml',
        'multipart/form-data',
        '',
        'application/json; charset=latin1',
      ]),
    }),
  (random, { verifierToken }) =>
    verifyWith('a large body', `{"key":"${'x'.repeat(random.pick([20_000, 100_000]))}"}`, verifierToken),
]

function anyScopeQuery(random: Random): string {
  const parts = ['a:b', 'a:*', 'AND', 'OR', '(', ')', 'NOT', '*', ':', ' ', '\u0000', '((((((((((((', 'x'.repeat(600)]
  return Array.from({ length: random.below(12) }, () => random.pick(parts)).join(' ')
}

/** What HTTP can carry in a header. */
function headerText(text: string): string {
  return text.replace(/[^\t\x20-\x7e]/g, '?')
}

function graphqlWith(
  kind: string,
  body: string | null,
  token?: string,
  headers: Record<string, string> = {},
): GarbageRequest {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return { kind, method: 'POST', path: '/graphql', headers: { ...JSON_TYPE, ...authorization, ...headers }, body }
}

/** Without the end of the session, which would make strangers of all who come after. */
const CASES = Object.entries(FIELD_CASES).filter(([name]) => name !== 'Mutation.sessionEnd')
const SOUP = [
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  '...',
  'on',
  'fragment',
  'query',
  'mutation',
  'subscription',
  '$x',
  ': ',
  '!',
  '@include',
  '@skip(if: true)',
  'viewer',
  'apiKeys',
  'node',
  '__schema',
  '__typename',
  'id',
  '"x"',
  '1',
  'F',
  '=',
  '|',
  '&',
  '"""',
  '#',
]

function anyCase(random: Random, ids: ThingIds) {
  const [name, { document, variables = () => ({}) }] = random.pick(CASES)
  return { name, document, variables: variables(ids) }
}

const graphqlMakers: readonly Maker[] = [
  (random, { accessTokens, own }) => {
    const { name, document, variables } = anyCase(random, own)
    const body = JSON.stringify({ query: document, variables: spoil(random, variables) })
    return graphqlWith(`${name} with wrong variables`, body, random.pick(accessTokens))
  },
  (random, { accessTokens, own }) => {
    const { name, document, variables } = anyCase(random, own)
    return graphqlWith(
      `${name} with a mangled document`,
      JSON.stringify({ query: mutate(random, document), variables }),
      random.pick(accessTokens),
    )
  },
  (random, { accessTokens, foreign }) => {
    const { name, document, variables } = anyCase(random, foreign)
    return graphqlWith(`${name} with foreign ids`, JSON.stringify({ query: document, variables }), accessTokens[0])
  },
  (random, { own }) => {
    const { name, document, variables } = anyCase(random, own)
    return graphqlWith(`${name} by nobody`, JSON.stringify({ query: document, variables: spoil(random, variables) }))
  },
  (random, { accessTokens, own }) => {
    const { name, document, variables } = anyCase(random, own)
    const token = headerText(mutate(random, random.pick(accessTokens)))
    return graphqlWith(`${name} with a forged session`, JSON.stringify({ query: document, variables }), token)
  },
  (random, { accessTokens, own }) => {
    const { name, document, variables } = anyCase(random, own)
    return graphqlWith(
      `${name} in a mangled body`,
      mutate(random, JSON.stringify({ query: document, variables })),
      random.pick(accessTokens),
    )
  },
  (random, { accessTokens }) => {
    const query = Array.from({ length: random.below(random.pick([10, 60, 3000])) }, () => random.pick(SOUP)).join(' ')
    return graphqlWith('a document of any words', JSON.stringify({ query }), random.pick(accessTokens))
  },
  (random, { accessTokens }) => graphqlWith('any JSON', JSON.stringify(anyValue(random)), random.pick(accessTokens)),
  (random, { accessTokens, own }) => {
    const page = {
      first: anyValue(random, 0),
      after: anyValue(random, 0),
      last: anyValue(random, 0),
      before: anyValue(random, 0),
    }
    const document = `query ($tenantId: ID!, $first: Int, $after: String, $last: Int, $before: String) {
      apiKeys(tenantId: $tenantId, first: $first, after: $after, last: $last, before: $before) { nodes { id } } }`
    return graphqlWith(
      'a page of anything',
      JSON.stringify({ query: document, variables: { ...page, tenantId: own.tenantId } }),
      accessTokens[0],
    )
  },
  (random, { accessTokens }) => {
    const levels = random.pick([5, 20, 200, 900])
    const query = `{ viewer { ... on User { ${'memberships { user { '.repeat(levels)} id ${'} } '.repeat(levels)} } } }`
    return graphqlWith('a deep document', JSON.stringify({ query }), random.pick(accessTokens))
  },
  (random, { accessTokens }) => {
    const query = `{ ${Array.from({ length: random.pick([20, 40, 700]) }, (_, index) => `a${index}: viewer { __typename }`).join(' ')} }`
    return graphqlWith('many aliases', JSON.stringify({ query }), random.pick(accessTokens))
  },
  (random, { accessTokens, own }) => {
    const documentId = random.pick([`sha256:${'0'.repeat(64)}`, anyText(random), anyValue(random)])
    const persistedQuery = random.pick([anyValue(random), { version: 1, sha256Hash: random.pick(['0'.repeat(64), 7]) }])
    const query = random.pick([null, '', anyCase(random, own).document])
    const body = JSON.stringify({ query, documentId, extensions: random.pick([{ persistedQuery }, persistedQuery]) })
    return graphqlWith('a hash of a document', body, random.pick(accessTokens))
  },
  (random, { accessTokens, own }) => ({
    kind: 'GET with anything',
    method: random.pick(['GET', 'HEAD']),
    path: `/graphql?query=${encodeURIComponent(mutate(random, anyCase(random, own).document).toWellFormed())}&variables=${encodeURIComponent(anyText(random).toWellFormed())}`.slice(
      0,
      8000,
    ),
    headers: {
      ...(random.chance(0.7) && { 'x-keyward-csrf': '1' }),
      authorization: `Bearer ${random.pick(accessTokens)}`,
    },
    body: null,
  }),
  (random) =>
    graphqlWith('another type', '{"query":"{ __typename }"}', undefined, {
      'content-type': random.pick([
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/graphql',
        'multipart/form-data; boundary=x',
        '',
      ]),
      accept: random.pick(['text/plain', 'application/json', 'text/event-stream', 'multipart/mixed', 'x', '']),
    }),
]

const PATHS = [
  '/',
  '//',
  '/graphql/',
  '/graphql/..',
  '/verify/',
  '/verify/x',
  '/%00',
  '/%',
  '/%ff',
  '/..',
  '/.env',
  '/favicon.ico',
  '/api',
  '/health/x',
  '/metrics/x',
  '/graphql%2f',
  '/VERIFY',
  '/Graphql',
  `/${'x'.repeat(4000)}`,
  '/?query={__typename}',
  '/*',
  '/verify?key=x',
]
const METHODS = ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'POST', 'PROPFIND', 'LOCK', 'QUERY']

const routeMakers: readonly Maker[] = [
  (random) => ({
    kind: 'a path that there is not',
    method: random.pick(METHODS),
    path: random.pick(PATHS),
    headers: {},
    body: null,
  }),
  (random, { verifierToken, token }) => ({
    ...verifyWith('a method that is not taken', null, verifierToken),
    method: random.pick(METHODS),
    path: random.pick(['/verify', '/graphql', '/health', '/metrics']),
    body: random.chance(0.5) ? JSON.stringify({ key: token }) : null,
  }),
]

/** Every so often a kind that takes longer to send: a megabyte. */
const largeMakers: readonly Maker[] = [
  (random, { verifierToken }) =>
    verifyWith('a megabyte', `{"key":"${random.pick(['x', '漢', '\\u0000']).repeat(350_000)}"}`, verifierToken),
  (random, { accessTokens }) =>
    graphqlWith('a megabyte', `{"query":"${'#'.repeat(random.pick([900_000, 1_100_000]))}"}`, accessTokens[0]),
  (random, { accessTokens, own }) => {
    const deep = '['.repeat(random.pick([10_000, 400_000]))
    const input = `{"tenantId":"${own.tenantId}","name":"x","environment":"TEST","metadata":${deep}${deep.replaceAll('[', ']')}}`
    const query = 'mutation ($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { __typename } }'
    return graphqlWith(
      'a deep megabyte',
      `{"query":${JSON.stringify(query)},"variables":{"input":${input}}}`,
      accessTokens[0],
    )
  },
]

export function makeGarbage(random: Random, sources: GarbageSources): GarbageRequest {
  if (random.chance(0.01)) return random.pick(largeMakers)(random, sources)
  if (random.chance(0.08)) return random.pick(routeMakers)(random, sources)
  if (random.chance(0.4)) return random.pick(verifyMakers)(random, sources)
  const garbage = random.pick(graphqlMakers)(random, sources)
  // Whoever does not ask for it is told under 200 what is wrong with a document.
  const accept = random.chance(0.8) && { accept: 'application/graphql-response+json' }
  return { ...garbage, headers: { ...accept, ...garbage.headers } }
}
