import { expect, test } from 'vitest'
import { hashToken, type TokenHash } from '../../../src/keys/token.ts'
import { createSnapshotCache, type LoadedSnapshot } from '../../../src/verify/cache/snapshot-cache.ts'
import type { KeyRecord } from '../../../src/verify/ports.ts'
import { createManualClock } from '../../harness/manual-clock.ts'
import { compileSnapshot, keyRecord, sourceAway } from '../key-records.ts'
import { type Random, withSeedsAsync } from '../limits/seeded-random.ts'

/**
 * A small world with two keys and three tokens, in which everything happens in any order: changes are committed, evicted
 * later or never told of, reads end late with what was true when they began, fail, or are refreshed behind hits.
 */
const KEYS = ['01900000-0000-7000-8000-00000000000a', '01900000-0000-7000-8000-00000000000b'] as const
const TENANT = '01900000-0000-7000-8000-0000000000ff'
const TOKENS: readonly { readonly hash: TokenHash; readonly key: 0 | 1 }[] = [
  { hash: hashToken('first token of A'), key: 0 },
  { hash: hashToken('second token of A'), key: 0 },
  { hash: hashToken('token of B'), key: 1 },
]
const STEPS = 24

interface Read {
  readonly token: (typeof TOKENS)[number]
  readonly versionAtStart: number
  readonly answer: (record: KeyRecord | null) => void
  readonly fail: (error: Error) => void
}

/** What an answer must be at least as new as: a fresh one, and one that is marked stale. */
interface Floor {
  readonly fresh: number
  readonly stale: number
}

async function runWorld(random: Random): Promise<void> {
  const clock = createManualClock()
  /** Version 0: the key does not exist yet. */
  const committed = [random.int(0, 1), random.int(0, 1)]
  const evicted = [0, 0]
  /** What was committed when trust last came back. */
  const trusted = [0, 0]
  let isSilent = false
  const reads: Read[] = []
  const unsaidEvictions: { key: number; version: number }[] = []
  const answers: Promise<void>[] = []
  let answered = 0

  const cache = createSnapshotCache({
    clock,
    compileSnapshot,
    source: {
      findByKeyId: () => Promise.reject(new Error('Nothing asks this source by id.')),
      findByTokenHash(tokenHash) {
        const { promise, resolve, reject } = Promise.withResolvers<KeyRecord | null>()
        const token = TOKENS.find(({ hash }) => hash === tokenHash) ?? fail('unknown token')
        reads.push({ token, versionAtStart: committed[token.key] ?? 0, answer: resolve, fail: reject })
        return promise
      },
    },
  })

  const floorOf = (key: number): Floor => {
    const stale = evicted[key] ?? 0
    return { stale, fresh: isSilent ? (committed[key] ?? 0) : Math.max(stale, trusted[key] ?? 0) }
  }

  function check({ snapshot, stale }: LoadedSnapshot, floor: Floor): void {
    const version = snapshot === null ? 0 : Number(/"name":"v(\d+)"/.exec(snapshot.identityJson)?.[1])
    expect(version).toBeGreaterThanOrEqual(stale ? floor.stale : floor.fresh)
  }

  function request(): void {
    const token = random.pick(TOKENS)
    const floor = floorOf(token.key)
    const entry = cache.peek(token.hash, clock.now())
    if (entry !== undefined) check(entry, floor)
    else
      answers.push(
        cache
          .load(token.hash, clock.now())
          .then((loaded) => check(loaded, floor), expectUnavailable)
          .finally(() => answered++),
      )
  }

  function commit(): void {
    const key = random.int(0, 1)
    const version = (committed[key] ?? 0) + 1
    committed[key] = version
    if (isSilent) return
    unsaidEvictions.push({ key, version })
    if (random.chance(0.7)) evictOldest()
  }

  function evictOldest(): void {
    const eviction = unsaidEvictions.shift()
    if (eviction === undefined) return
    const { key, version } = eviction
    const way = random.int(0, 3)
    if (way === 0) cache.evictKey(KEYS[key] ?? '')
    else if (way === 1) cache.evictTenant(TENANT)
    else if (way === 2) cache.evictAll()
    // A key that did not exist has no id or tenant under which a look-up in vain could be found.
    if (way === 3 || version === 1) for (const token of TOKENS) if (token.key === key) cache.evictToken(token.hash)
    evicted[key] = Math.max(evicted[key] ?? 0, version)
  }

  function endRead(): void {
    const [read] = reads.splice(random.int(0, reads.length - 1), 1)
    if (read === undefined) return
    if (random.chance(0.15)) read.fail(sourceAway())
    else read.answer(recordOf(read.token, random.chance(0.7) ? read.versionAtStart : (committed[read.token.key] ?? 0)))
  }

  function changeTrust(): void {
    isSilent = !isSilent
    if (isSilent) {
      cache.distrust()
      return
    }
    // Whoever listens again has the evictions that were not said yet behind it: what is read from here on has them.
    trusted[0] = committed[0] ?? 0
    trusted[1] = committed[1] ?? 0
    cache.trust()
  }

  for (let step = 0; step < STEPS; step++) {
    const dice = random.int(1, 100)
    if (dice <= 40) request()
    else if (dice <= 70) endRead()
    else if (dice <= 85) commit()
    else if (dice <= 92) evictOldest()
    else if (dice <= 96) clock.advance(random.pick([1, 1_000, 40_000, 61_000]))
    else changeTrust()
    for (let turn = random.int(0, 12); turn > 0; turn--) await null
  }
  // Between waiting for one read and beginning the next there are turns in which nothing is under way.
  for (let quiet = 0; quiet < 3; ) {
    const isBusy = reads.length > 0 || answered < answers.length || cache.stats.readsUnderWay > 0
    quiet = isBusy ? 0 : quiet + 1
    endRead()
    for (let turn = 0; turn < 12; turn++) await null
  }
  await Promise.all(answers)
  expect(cache.stats.readsUnderWay).toBe(0)
}

function recordOf(token: (typeof TOKENS)[number], version: number): KeyRecord | null {
  if (version === 0) return null
  return keyRecord({ keyId: KEYS[token.key], tenantId: TENANT, name: `v${version}` })
}

function expectUnavailable(error: unknown): void {
  expect(error).toMatchObject({ code: 'UNAVAILABLE' })
}

function fail(reason: string): never {
  throw new Error(reason)
}

test('in 10,000 random orders of events, no answer is older than an eviction that came before its request', async () => {
  await withSeedsAsync(10_000, runWorld)
})
