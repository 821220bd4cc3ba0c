import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { type GraphQLAnswer, sendGraphQL, sendVerify } from '../harness/client.ts'
import {
  ApiKeyCreate,
  ApiKeyDelete,
  ApiKeyDisable,
  ApiKeyEnable,
  ApiKeyRevoke,
  ApiKeyRotate,
  ApiKeysRevoke,
  ApiKeyUpdate,
} from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed, uniqueName, uuidOf } from '../harness/seed.ts'
import { readCode } from '../harness/tenant-records.ts'
import { type Random, withSeedsAsync } from '../verify/limits/seeded-random.ts'

/** Together with the rounds of the other test, a thousand. */
const ROUNDS = 900
const ROUNDS_AT_ONCE = 6

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
})
afterAll(() => app.stop())

type Change = 'rotate' | 'revoke' | 'revokeMany' | 'delete' | 'disable' | 'enable' | 'update'

const CHANGES: readonly Change[] = ['rotate', 'revoke', 'revokeMany', 'delete', 'disable', 'enable', 'update']

/** What a key is, as far as changes depend on it. */
interface State {
  readonly exists: boolean
  readonly revoked: boolean
  readonly disabled: boolean
}

const NEW_KEY: State = { exists: true, revoked: false, disabled: false }

/** What a change makes of a state; null when it is refused there. */
function apply(state: State, action: string): State | null {
  if (!state.exists) return null
  if (action === 'api_key.deleted') return { ...state, exists: false }
  if (state.revoked) return null
  switch (action) {
    case 'api_key.revoked':
      return { ...state, revoked: true }
    case 'api_key.disabled':
      return state.disabled ? null : { ...state, disabled: true }
    case 'api_key.enabled':
      return state.disabled ? { ...state, disabled: false } : null
    case 'api_key.rotated':
    case 'api_key.updated':
      return state
    default:
      return null
  }
}

const ACTIONS: Readonly<Record<Change, string>> = {
  rotate: 'api_key.rotated',
  revoke: 'api_key.revoked',
  revokeMany: 'api_key.revoked',
  delete: 'api_key.deleted',
  disable: 'api_key.disabled',
  enable: 'api_key.enabled',
  update: 'api_key.updated',
}

interface Outcome {
  readonly change: Change
  /** `done`; `gone` when it was done and the key was deleted before it could be shown; or why it was refused. */
  readonly code: string
  readonly token: string | null
}

async function send(change: Change, id: string, name: string, turn: number): Promise<Outcome> {
  const { accessToken } = admin
  const answer = await ask()
  const [result]: { token?: string; rows?: { status: string; error: { code: string } | null }[] }[] = Object.values(
    answer.data ?? {},
  )
  const [row] = result?.rows ?? []
  const code = row ? (row.error?.code ?? row.status) : readCode(answer)
  const done =
    answer.errors.length > 0 && code === 'NOT_FOUND' ? 'gone' : /Payload$|^UPDATED$/.test(code) ? 'done' : code
  return { change, code: done, token: result?.token ?? null }

  function ask(): Promise<GraphQLAnswer<object>> {
    switch (change) {
      case 'rotate':
        return sendGraphQL(app, ApiKeyRotate, { id, input: { gracePeriodSeconds: 0 } }, accessToken)
      case 'revoke':
        return sendGraphQL(app, ApiKeyRevoke, { id, input: { reason: 'race' } }, accessToken)
      case 'revokeMany': {
        const input = { tenantId: tenant.tenantId, ids: [id], reason: 'race' }
        return sendGraphQL(app, ApiKeysRevoke, { input }, accessToken)
      }
      case 'delete':
        return sendGraphQL(app, ApiKeyDelete, { id, confirmName: name }, accessToken)
      case 'disable':
        return sendGraphQL(app, ApiKeyDisable, { id }, accessToken)
      case 'enable':
        return sendGraphQL(app, ApiKeyEnable, { id }, accessToken)
      case 'update':
        return sendGraphQL(app, ApiKeyUpdate, { id, input: { ownerId: `owner-${turn}` } }, accessToken)
    }
  }
}

async function readVerdict(token: string): Promise<unknown> {
  return (await sendVerify(app, { key: token })).body.code
}

async function race(random: Random, round: number): Promise<void> {
  const name = uniqueName()
  const { apiKeyId: id, token } = await tenant.key({ name })
  // What is in memory has to go too.
  expect(await readVerdict(token)).toBe('VALID')
  const changes = Array.from({ length: random.int(2, 5) }, () => random.pick(CHANGES))
  const outcomes = await Promise.all(changes.map((change, turn) => send(change, id, name, turn)))
  const about = { round, outcomes: outcomes.map(({ change, code }) => `${change}: ${code}`) }

  // Each was done or refused for the state that another left, and nothing else.
  for (const { change, code } of outcomes) {
    const legal = change === 'revokeMany' ? ['done', 'NOT_FOUND', 'SKIPPED'] : ['done', 'gone', 'NOT_FOUND', 'CONFLICT']
    expect(legal, JSON.stringify({ ...about, change })).toContain(code)
  }
  // The log tells one story, in which every change was legal where it stands, and which holds what was done.
  const log = await app.query<{ action: string }>(
    'SELECT action FROM audit_events WHERE resource_id = $1 ORDER BY position',
    [id],
  )
  const [created, ...told] = log.map(({ action }) => action)
  expect(created).toBe('api_key.created')
  let state = NEW_KEY
  for (const action of told) {
    const next = apply(state, action)
    if (next === null)
      throw new Error(`${action} after ${JSON.stringify(state)}: ${JSON.stringify({ ...about, told })}`)
    state = next
  }
  const done = outcomes.filter(({ code }) => ['done', 'gone'].includes(code)).map(({ change }) => ACTIONS[change])
  expect({ ...about, told: told.toSorted() }).toEqual({ ...about, told: done.toSorted() })
  const events = await app.query<{ type: string }>(
    `SELECT type FROM outbox_events WHERE payload->>'apiKeyId' = $1 ORDER BY position`,
    [id],
  )
  expect(events.map(({ type }) => type)).toEqual([created, ...told])

  // The key is what the story ends with, in the table and for whoever verifies it.
  const rows = await app.query<{ revoked: boolean; disabled: boolean; version: number }>(
    'SELECT revoked_at IS NOT NULL AS revoked, disabled_at IS NOT NULL AS disabled, version FROM api_keys WHERE id = $1',
    [uuidOf(id)],
  )
  expect({ ...about, rows }).toEqual({
    ...about,
    rows: state.exists ? [{ revoked: state.revoked, disabled: state.disabled, version: expect.any(Number) }] : [],
  })
  if (outcomes.some(({ code }) => code === 'gone'))
    expect({ ...about, exists: state.exists }).toEqual({ ...about, exists: false })
  const tokens = [token, ...outcomes.flatMap((outcome) => outcome.token ?? [])]
  const verdicts = await Promise.all(tokens.map(readVerdict))
  const good = state.disabled ? 'DISABLED' : 'VALID'
  if (!state.exists) expect(new Set(verdicts), JSON.stringify(about)).toEqual(new Set(['NOT_FOUND']))
  else if (state.revoked) expect(new Set(verdicts), JSON.stringify(about)).toEqual(new Set(['REVOKED']))
  // Of all its tokens the one of the last rotation counts.
  else if (!state.disabled)
    expect(
      verdicts.filter((code) => code === good),
      JSON.stringify(about),
    ).toHaveLength(1)
}

test('changes of one key that come at once end in one of the orders in which they could have come', async () => {
  await withSeedsAsync(1, async (random) => {
    for (let round = 0; round < ROUNDS; round += ROUNDS_AT_ONCE) {
      await Promise.all(Array.from({ length: ROUNDS_AT_ONCE }, (_, at) => race(random, round + at)))
    }
  })
}, 300_000)

test('of keys of one name that are created at once exactly one is, and the others hear why', async () => {
  for (let round = 0; round < 100; round++) {
    const input = { tenantId: tenant.tenantId, name: uniqueName(), environment: 'TEST' } as const
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => sendGraphQL(app, ApiKeyCreate, { input }, admin.accessToken)),
    )
    expect(answers.map(readCode).sort()).toEqual(['ApiKeyCreatePayload', 'CONFLICT', 'CONFLICT', 'CONFLICT'])
    const keys = await app.query('SELECT FROM api_keys WHERE name = $1', [input.name])
    expect(keys).toHaveLength(1)
  }
}, 120_000)
