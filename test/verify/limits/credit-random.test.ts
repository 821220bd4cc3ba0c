import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { CreditStore } from '../../../src/verify/limits/credit-lease.ts'
import type { LimitDecision } from '../../../src/verify/limits/limit-decision.ts'
import { createLimits, type Limits } from '../../../src/verify/limits/limits.ts'
import { makePlan, START_MS } from './limits-harness.ts'
import { MemoryCreditStore } from './memory-credit-store.ts'
import { type Random, withSeedsAsync } from './seeded-random.ts'

const PLAN = makePlan({ hasCredits: true })
const SUBJECT = { keyId: 'key', tenantId: 'tenant' }

/** Steps of all nodes on their way to the store and back; the test lets one at a time go on. */
class Traffic {
  readonly #held: (() => void)[] = []

  pause = (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held.push(resolve)
    return promise
  }

  async releaseOne(random: Random): Promise<void> {
    const [release] = this.#held.splice(random.int(0, this.#held.length - 1), 1)
    release?.()
    await setImmediate()
  }

  async releaseAll(random: Random): Promise<void> {
    await setImmediate()
    while (this.#held.length > 0) await this.releaseOne(random)
  }
}

interface Node {
  readonly limits: Limits
  /** From then on nothing that the node sends arrives, and nothing that it decides is answered. */
  killed: boolean
}

function startNode(store: CreditStore, nowMs: () => number): Node {
  const never = new Promise<never>(() => {})
  const node: Node = {
    killed: false,
    limits: createLimits({
      nowMs,
      isKeyHeld: () => true,
      isTenantHeld: () => true,
      creditStore: {
        lease: async (request) => {
          if (node.killed) return never
          const grant = await store.lease(request)
          return node.killed ? never : grant
        },
        giveBack: (keyId, returned) => (node.killed ? never : store.giveBack(keyId, returned)),
      },
    }),
  }
  return node
}

async function simulate(random: Random, withKills: boolean) {
  const traffic = new Traffic()
  const store = new MemoryCreditStore(traffic.pause)
  let nowMs = START_MS
  let total = random.int(0, 400)
  store.create('key', { amount: total, refill: null, createdAtMs: nowMs })
  const start = () => startNode(store, () => nowMs)
  const nodes = [start(), start(), start()]
  let spent = 0
  let answered = 0
  let asked = 0

  const answer = (node: Node, cost: number, decision: LimitDecision) => {
    if (node.killed) return
    answered++
    if (decision.outcome === 'admitted') spent += cost
    if (decision.outcome === 'admitted' || decision.outcome === 'denied') {
      expect(decision.creditsRemaining).toBeGreaterThanOrEqual(0)
      expect(decision.creditsRemaining).toBeLessThanOrEqual(total)
    }
    expect(spent).toBeLessThanOrEqual(total)
  }

  for (let step = 0; step < 300; step++) {
    nowMs += random.int(0, 300)
    const i = random.int(0, nodes.length - 1)
    const node = nodes[i]
    if (node === undefined) break
    const kind = random.int(0, 99)
    if (kind < 60) {
      const cost = random.chance(0.8) ? 1 : random.int(0, 9)
      const decision = node.limits.admit(PLAN, SUBJECT, cost, nowMs)
      asked++
      if (decision instanceof Promise) void decision.then((late) => answer(node, cost, late))
      else answer(node, cost, decision)
    } else if (kind < 90) {
      await traffic.releaseOne(random)
    } else if (kind < 94) {
      const amount = random.int(1, 50)
      store.topUp('key', amount)
      total += amount
      for (const { limits } of nodes) limits.revokeLease('key')
    } else if (kind < 96) {
      node.limits.revokeLease('key')
    } else if (kind < 98) {
      node.limits.sweep(nowMs + random.pick([0, 60_000]))
    } else if (withKills) {
      node.killed = true
      nodes[i] = start()
    }
  }
  await traffic.releaseAll(random)
  const stops = nodes.map(({ limits }) => limits.stop())
  await traffic.releaseAll(random)
  await Promise.all(stops)
  return { spent, total, stored: store.stored('key'), asked, answered }
}

test('on three nodes, in any order of requests, leases, top-ups and revocations, every credit is spent once or still there', async () => {
  await withSeedsAsync(150, async (random) => {
    const { spent, total, stored, asked, answered } = await simulate(random, false)
    expect(spent + stored).toBe(total)
    expect(answered).toBe(asked)
  })
})

test('with nodes killed at any point, credits are lost but never spent twice', async () => {
  await withSeedsAsync(150, async (random) => {
    const { spent, total, stored } = await simulate(random, true)
    expect(spent + stored).toBeLessThanOrEqual(total)
    expect(stored).toBeGreaterThanOrEqual(0)
  })
})

test('with refills on several nodes, no day spends more than the refill amount', async () => {
  await withSeedsAsync(100, async (random) => {
    const traffic = new Traffic()
    const store = new MemoryCreditStore(traffic.pause)
    let nowMs = START_MS
    const amount = random.int(1, 200)
    store.create('key', { amount, refill: { amount, every: 'DAY' }, createdAtMs: nowMs })
    const nodes = [startNode(store, () => nowMs), startNode(store, () => nowMs)]
    for (let day = 0; day < 4; day++) {
      const pending: (LimitDecision | Promise<LimitDecision>)[] = []
      for (let step = 0; step < 150; step++) {
        nowMs += random.int(0, 1000)
        if (random.chance(0.6)) pending.push(random.pick(nodes).limits.admit(PLAN, SUBJECT, 1, nowMs))
        else await traffic.releaseOne(random)
      }
      await traffic.releaseAll(random)
      const decisions = await Promise.all(pending)
      expect(decisions.filter(({ outcome }) => outcome === 'admitted').length).toBeLessThanOrEqual(amount)
      nowMs = START_MS + (day + 1) * 86_400_000
    }
  })
})
