import { randomUUIDv7 } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { graphql } from '../generated/graphql/gql.ts'
import type { ApiKeyCreditsAddInput, CreditsInput } from '../generated/graphql/graphql.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL, sendVerify } from '../harness/client.ts'
import { ApiKeyRevoke } from '../harness/operations.ts'
import { type AdminSeed, seedAdmin, type TenantSeed, uuidOf } from '../harness/seed.ts'
import { readCode, recordsOf } from '../harness/tenant-records.ts'

const CreditsSet = graphql(`
  mutation CreditsSet($id: ID!, $input: CreditsInput!) {
    apiKeyCreditsSet(id: $id, input: $input) {
      __typename
      ... on ApiKeyCreditsSetPayload { apiKey { id credits { remaining refill { amount every nextAt } } } }
      ... on UserError { code message path }
    }
  }
`)

const CreditsAdd = graphql(`
  mutation CreditsAdd($id: ID!, $input: ApiKeyCreditsAddInput!) {
    apiKeyCreditsAdd(id: $id, input: $input) {
      __typename
      ... on ApiKeyCreditsAddPayload { apiKey { id version credits { remaining refill { amount } } } }
      ... on UserError { code message path }
    }
  }
`)

const Credits = graphql(`
  query Credits($id: ID!) { apiKey(id: $id) { credits { remaining refill { amount every nextAt } } } }
`)

const AMOUNT_MAX = 2 ** 31 - 1

let app: TestApp
let admin: AdminSeed
let tenant: TenantSeed
beforeAll(async () => {
  app = await startTestApp()
  admin = await seedAdmin(app)
  tenant = await admin.tenant()
})
afterAll(() => app.stop())

const set = (id: string, input: CreditsInput) => sendGraphQL(app, CreditsSet, { id, input }, admin.accessToken)
const addAs = (id: string, input: ApiKeyCreditsAddInput) =>
  sendGraphQL(app, CreditsAdd, { id, input }, admin.accessToken)
const add = (id: string, amount: number) => addAs(id, { amount })
const verify = async (token: string, cost = 1) => (await sendVerify(app, { key: token, cost })).body

async function read(id: string) {
  return (await sendGraphQL(app, Credits, { id }, admin.accessToken)).data?.apiKey?.credits
}

async function readStored(apiKeyId: string) {
  const [row] = await app.query<{ remaining: number; epoch: number }>(
    'SELECT remaining::int, epoch::int FROM api_key_credits WHERE api_key_id = $1',
    [uuidOf(apiKeyId)],
  )
  return row
}

describe('setting credits', () => {
  it('makes a key spend them from the next verification on, which before spent none', async () => {
    const { apiKeyId, token } = await tenant.key()
    expect(await read(apiKeyId)).toBeNull()
    expect(await verify(token)).toMatchObject({ code: 'VALID', credits: null })
    expect(await set(apiKeyId, { amount: 3 })).toMatchObject({
      data: { apiKeyCreditsSet: { apiKey: { credits: { remaining: 3, refill: null } } } },
    })
    expect(await verify(token, 2)).toMatchObject({ code: 'VALID', credits: { remaining: 1 } })
    expect(await read(apiKeyId)).toEqual({ remaining: 1, refill: null })
    expect(await verify(token, 2)).toMatchObject({ code: 'CREDITS_EXHAUSTED' })
    expect(await verify(token, 1)).toMatchObject({ code: 'VALID', credits: { remaining: 0 } })
  })

  it('replaces what was left, leased or not, in a new epoch', async () => {
    const { apiKeyId, token } = await tenant.key()
    await set(apiKeyId, { amount: 1000 })
    await verify(token)
    const { epoch = 0 } = (await readStored(apiKeyId)) ?? {}
    await set(apiKeyId, { amount: 2 })
    expect(await read(apiKeyId)).toMatchObject({ remaining: 2 })
    expect((await readStored(apiKeyId))?.epoch).toBe(epoch + 1)
    const codes: unknown[] = []
    for (let count = 0; count < 4; count++) codes.push((await verify(token)).code)
    expect(codes).toEqual(['VALID', 'VALID', 'CREDITS_EXHAUSTED', 'CREDITS_EXHAUSTED'])
  })

  it('to none denies the next verification', async () => {
    const { apiKeyId, token } = await tenant.key()
    await set(apiKeyId, { amount: 5 })
    expect(await verify(token)).toMatchObject({ code: 'VALID' })
    await set(apiKeyId, { amount: 0 })
    expect(await verify(token)).toMatchObject({ code: 'CREDITS_EXHAUSTED' })
  })

  it('says when they are refilled, by the calendar of the tenant, and forgets the refill when none is given', async () => {
    const { apiKeyId } = await tenant.key()
    await app.query("UPDATE tenants SET time_zone = 'America/New_York' WHERE id = $1", [uuidOf(tenant.tenantId)])
    await set(apiKeyId, { amount: 1, refill: { amount: 50, every: 'DAY' } })
    expect(await read(apiKeyId)).toEqual({
      remaining: 1,
      refill: { amount: 50, every: 'DAY', nextAt: '2026-03-05T05:00:00.000Z' },
    })
    await set(apiKeyId, { amount: 1, refill: { amount: 50, every: 'MONTH' } })
    expect((await read(apiKeyId))?.refill).toMatchObject({ every: 'MONTH', nextAt: '2026-04-01T04:00:00.000Z' })
    await set(apiKeyId, { amount: 1 })
    expect((await read(apiKeyId))?.refill).toBeNull()
    await app.query("UPDATE tenants SET time_zone = 'UTC' WHERE id = $1", [uuidOf(tenant.tenantId)])
  })

  it('is recorded and told, also when repeated', async () => {
    const { apiKeyId } = await tenant.key({ name: 'set' })
    const refill = { amount: 50, every: 'DAY' } as const
    const { audit, events } = await recordsOf(app, tenant.tenantId, async () => {
      await set(apiKeyId, { amount: 10, refill })
      await set(apiKeyId, { amount: 10, refill })
    })
    const common = { action: 'api_key.credits_set', outcome: 'SUCCESS', actorKind: 'USER', resourceId: apiKeyId }
    const after = { amount: 10, refill }
    expect(audit).toEqual([
      { ...common, detail: { before: null, after } },
      { ...common, detail: { before: { stored: 10, refill }, after } },
    ])
    const payload = { apiKeyId, name: 'set', environment: 'PRODUCTION', amount: 10, refill }
    expect(events).toEqual(Array(2).fill({ type: 'api_key.credits_set', payload }))
  })

  it('is refused for amounts that cannot be, naming the field, and for a key that is revoked', async () => {
    const { apiKeyId } = await tenant.key()
    const paths = async (input: CreditsInput) => (await set(apiKeyId, input)).data?.apiKeyCreditsSet
    expect(await paths({ amount: -1 })).toMatchObject({ code: 'VALIDATION_FAILED', path: ['input', 'amount'] })
    expect(await paths({ amount: 1, refill: { amount: 0, every: 'DAY' } })).toMatchObject({
      code: 'VALIDATION_FAILED',
      path: ['input', 'refill', 'amount'],
    })
    expect(await read(apiKeyId)).toBeNull()
    await sendGraphQL(app, ApiKeyRevoke, { id: apiKeyId, input: { reason: 'test' } }, admin.accessToken)
    expect(readCode(await set(apiKeyId, { amount: 1 }))).toBe('CONFLICT')
    expect(readCode(await add(apiKeyId, 1))).toBe('CONFLICT')
  })
})

describe('adding credits', () => {
  it('adds to what is left and keeps what servers hold leased good', async () => {
    const { apiKeyId, token } = await tenant.key()
    await set(apiKeyId, { amount: 100 })
    await verify(token)
    const before = await readStored(apiKeyId)
    expect(await add(apiKeyId, 50)).toMatchObject({
      data: { apiKeyCreditsAdd: { apiKey: { id: apiKeyId, credits: { remaining: 149 } } } },
    })
    expect((await readStored(apiKeyId))?.epoch).toBe(before?.epoch)
    expect(await verify(token)).toMatchObject({ code: 'VALID', credits: { remaining: 148 } })
  })

  it('counts on the next verification of a key that was just denied', async () => {
    const { apiKeyId, token } = await tenant.key()
    await set(apiKeyId, { amount: 0 })
    expect(await verify(token)).toMatchObject({ code: 'CREDITS_EXHAUSTED' })
    await add(apiKeyId, 1)
    expect(await verify(token)).toMatchObject({ code: 'VALID', credits: { remaining: 0 } })
  })

  it('adds once for each idempotency key, however often and at once the request comes', async () => {
    const { apiKeyId } = await tenant.key()
    await set(apiKeyId, { amount: 0 })
    const input = { amount: 7, idempotencyKey: randomUUIDv7() }
    const answers = await Promise.all(Array.from({ length: 5 }, () => addAs(apiKeyId, input)))
    expect(answers.map(readCode)).toEqual(Array(5).fill('ApiKeyCreditsAddPayload'))
    expect(await read(apiKeyId)).toMatchObject({ remaining: 7 })
    expect(readCode(await addAs(apiKeyId, { ...input, amount: 8 }))).toBe('CONFLICT')
    await addAs(apiKeyId, { ...input, idempotencyKey: randomUUIDv7() })
    expect(await read(apiKeyId)).toMatchObject({ remaining: 14 })
  })

  it('leaves the version of the key, so that no change to its rules is refused for it', async () => {
    const { apiKeyId } = await tenant.key()
    await set(apiKeyId, { amount: 0 })
    expect(await add(apiKeyId, 1)).toMatchObject({ data: { apiKeyCreditsAdd: { apiKey: { version: 1 } } } })
  })

  it('many times at once adds every one', async () => {
    const { apiKeyId } = await tenant.key()
    await set(apiKeyId, { amount: 0 })
    await Promise.all(Array.from({ length: 20 }, () => add(apiKeyId, 7)))
    expect(await read(apiKeyId)).toMatchObject({ remaining: 140 })
  })

  it('while credits are spent neither loses nor makes any', async () => {
    const { apiKeyId, token } = await tenant.key()
    await set(apiKeyId, { amount: 30 })
    const [verdicts] = await Promise.all([
      Promise.all(Array.from({ length: 60 }, () => verify(token))),
      Promise.all(Array.from({ length: 10 }, () => add(apiKeyId, 2))),
    ])
    const spent = verdicts.filter(({ code }) => code === 'VALID').length
    // What a server held leased when credits were added is on its way back to the database.
    await vi.waitFor(async () => expect(await read(apiKeyId)).toMatchObject({ remaining: 50 - spent }))
  })

  it('comes on top of a refill that is due', async () => {
    const { apiKeyId } = await tenant.key()
    await set(apiKeyId, { amount: 5, refill: { amount: 100, every: 'DAY' } })
    await app.query("UPDATE api_key_credits SET refilled_at = refilled_at - interval '2 days' WHERE api_key_id = $1", [
      uuidOf(apiKeyId),
    ])
    expect(await read(apiKeyId)).toMatchObject({ remaining: 100 })
    expect(await add(apiKeyId, 50)).toMatchObject({
      data: { apiKeyCreditsAdd: { apiKey: { credits: { remaining: 150 } } } },
    })
    expect(await read(apiKeyId)).toMatchObject({ remaining: 150 })
  })

  it('is recorded and told', async () => {
    const { apiKeyId } = await tenant.key({ name: 'added' })
    await set(apiKeyId, { amount: 1 })
    const { audit, events } = await recordsOf(app, tenant.tenantId, () => add(apiKeyId, 9))
    expect(audit).toEqual([
      {
        action: 'api_key.credits_added',
        outcome: 'SUCCESS',
        actorKind: 'USER',
        resourceId: apiKeyId,
        detail: { amount: 9, before: { stored: 1 }, after: { stored: 10 } },
      },
    ])
    const payload = { apiKeyId, name: 'added', environment: 'PRODUCTION', amount: 9 }
    expect(events).toEqual([{ type: 'api_key.credits_added', payload }])
  })

  it.each([0, -1])('of %i is refused, naming the argument', async (amount) => {
    const { apiKeyId } = await tenant.key()
    await set(apiKeyId, { amount: 1 })
    expect(await add(apiKeyId, amount)).toMatchObject({
      data: { apiKeyCreditsAdd: { code: 'VALIDATION_FAILED', path: ['input', 'amount'] } },
    })
  })

  it('is refused for a key that spends none, which it would limit, and beyond what can be counted', async () => {
    const { apiKeyId } = await tenant.key()
    expect(readCode(await add(apiKeyId, 1))).toBe('CONFLICT')
    await set(apiKeyId, { amount: 1 })
    const nearly = Number.MAX_SAFE_INTEGER - AMOUNT_MAX
    await app.query('UPDATE api_key_credits SET remaining = $2 WHERE api_key_id = $1', [uuidOf(apiKeyId), nearly])
    expect(readCode(await add(apiKeyId, AMOUNT_MAX))).toBe('ApiKeyCreditsAddPayload')
    expect(readCode(await add(apiKeyId, 1))).toBe('CONFLICT')
    expect(await read(apiKeyId)).toMatchObject({ remaining: Number.MAX_SAFE_INTEGER })
  })
})

describe('that few credits are left', () => {
  /** What is told of them while a test spends and changes them, and `low 2/10` for each. */
  async function toldOf(work: () => Promise<unknown>): Promise<string[]> {
    const { events } = await recordsOf(app, tenant.tenantId, work)
    return events
      .filter(({ type }) => type.startsWith('credits.'))
      .map(({ type, payload }) => `${type.replace('credits.', '')} ${payload.remaining}/${payload.base}`)
  }

  it('is told again after a top-up, of which the percentage then is', async () => {
    const { apiKeyId, token } = await tenant.key()
    await set(apiKeyId, { amount: 10 })
    expect(await toldOf(() => verify(token, 10))).toEqual(['low 0/10', 'exhausted 0/10'])
    await add(apiKeyId, 20)
    expect(await toldOf(() => verify(token, 15))).toEqual([])
    expect(await toldOf(() => verify(token, 1))).toEqual(['low 4/20'])
    await add(apiKeyId, 1)
    expect(await toldOf(() => verify(token, 4))).toEqual(['low 1/5'])
  })

  it('is told again after they are set', async () => {
    const { apiKeyId, token } = await tenant.key({ credits: { amount: 5 } })
    expect(await toldOf(() => verify(token, 4))).toEqual(['low 1/5'])
    await set(apiKeyId, { amount: 5 })
    expect(await toldOf(() => verify(token, 4))).toEqual(['low 1/5'])
  })

  it('is not told by setting them, however few: whoever does it knows', async () => {
    const { apiKeyId, token } = await tenant.key()
    expect(await toldOf(() => set(apiKeyId, { amount: 0 }))).toEqual([])
    expect(await toldOf(() => verify(token))).toEqual(['exhausted 0/0'])
  })
})
