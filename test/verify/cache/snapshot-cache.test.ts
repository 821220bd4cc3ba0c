import { describe, expect, test } from 'vitest'
import { hashToken } from '../../../src/keys/token.ts'
import { createSnapshotCache, type SnapshotCacheOptions } from '../../../src/verify/cache/snapshot-cache.ts'
import { createManualClock } from '../../harness/manual-clock.ts'
import {
  compileSnapshot,
  createControlledKeySource,
  createMemoryKeySource,
  keyRecord,
  settle,
  sourceAway,
  TENANT_ACME,
} from '../key-records.ts'

const TOKEN = hashToken('a token')
const OTHER = hashToken('another token')

function setUp(options: Partial<SnapshotCacheOptions> = {}) {
  const clock = createManualClock()
  const source = createMemoryKeySource()
  const cache = createSnapshotCache({ source, clock, compileSnapshot, ...options })
  return {
    clock,
    source,
    cache,
    load: () => cache.load(TOKEN, clock.now()),
    peek: () => cache.peek(TOKEN, clock.now()),
  }
}

function setUpControlled(options: Partial<SnapshotCacheOptions> = {}) {
  const clock = createManualClock()
  const source = createControlledKeySource()
  const cache = createSnapshotCache({ source, clock, compileSnapshot, ...options })
  return {
    clock,
    source,
    cache,
    load: () => cache.load(TOKEN, clock.now()),
    peek: () => cache.peek(TOKEN, clock.now()),
  }
}

describe('memory', () => {
  test('a token that was read is there without waiting, and the source is not asked again', async () => {
    const { source, load, peek } = setUp()
    source.records.set(TOKEN, keyRecord({ name: 'first' }))
    expect(peek()).toBeUndefined()
    await load()
    expect(peek()?.snapshot?.identityJson).toContain('"first"')
    expect(source.readCount).toBe(1)
  })

  test('any number of callers who need the same token cause one read', async () => {
    const { source, load } = setUpControlled()
    const loads = Array.from({ length: 50 }, load)
    await settle()
    expect(source.pending).toHaveLength(1)
    source.pending[0]?.answer(keyRecord())
    const results = await Promise.all(loads)
    expect(new Set(results.map(({ snapshot }) => snapshot)).size).toBe(1)
  })

  test('a token that nobody knows is remembered for a while, then looked up again', async () => {
    const { clock, source, load, peek } = setUp({ unknownAgeMaxMs: 10_000 })
    expect((await load()).snapshot).toBeNull()
    clock.advance(9_999)
    expect(peek()?.snapshot).toBeNull()
    clock.advance(1)
    expect(peek()).toBeUndefined()
    expect(source.readCount).toBe(1)
  })

  test('tries with unknown tokens push out no known token', async () => {
    const { clock, source, cache, load, peek } = setUp({ knownMax: 1, unknownMax: 10 })
    source.records.set(TOKEN, keyRecord())
    await load()
    for (let index = 0; index < 500; index++) await cache.load(hashToken(`guess ${index}`), clock.now())
    expect(peek()).toBeDefined()
    expect(cache.stats).toMatchObject({ knownCount: 1, unknownCount: 10 })
  })

  test('it never holds more keys than its bound', async () => {
    const { clock, source, cache } = setUp({ knownMax: 10 })
    for (let index = 0; index < 100; index++) {
      const hash = hashToken(`token ${index}`)
      source.records.set(hash, keyRecord())
      await cache.load(hash, clock.now())
    }
    expect(cache.stats.knownCount).toBe(10)
  })

  test('when too many reads are under way, further ones are refused instead of piling up', async () => {
    const { clock, source, cache } = setUpControlled({ readsMax: 2 })
    const loads = ['a', 'b'].map((name) => cache.load(hashToken(name), clock.now()))
    await settle()
    await expect(cache.load(hashToken('c'), clock.now())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    for (const read of source.pending) read.answer(null)
    await Promise.all(loads)
  })
})

describe('eviction', () => {
  const evictions = [
    ['its key', 'evictKey'],
    ['its tenant', 'evictTenant'],
    ['its token', 'evictToken'],
    ['everything', 'evictAll'],
  ] as const

  test.each(evictions)('evicting %s makes the next caller read', async (_, eviction) => {
    const { source, cache, load, peek } = setUp()
    const record = keyRecord()
    source.records.set(TOKEN, record)
    await load()
    if (eviction === 'evictKey') cache.evictKey(record.keyId)
    else if (eviction === 'evictTenant') cache.evictTenant(TENANT_ACME)
    else if (eviction === 'evictToken') cache.evictToken(TOKEN)
    else cache.evictAll()
    expect(peek()).toBeUndefined()
    expect(cache.stats.knownCount).toBe(0)
  })

  test.each(evictions)('a read that began before %s was evicted is discarded and made again', async (_, eviction) => {
    const { source, cache, load, peek } = setUpControlled()
    const before = keyRecord({ name: 'before' })
    const loading = load()
    await settle()
    if (eviction === 'evictKey') cache.evictKey(before.keyId)
    else if (eviction === 'evictTenant') cache.evictTenant(TENANT_ACME)
    else if (eviction === 'evictToken') cache.evictToken(TOKEN)
    else cache.evictAll()
    source.pending.shift()?.answer(before)
    await settle()
    expect(peek()).toBeUndefined()
    source.pending.shift()?.answer({ ...before, name: 'after' })
    expect((await loading).snapshot?.identityJson).toContain('"after"')
    expect(peek()?.snapshot?.identityJson).toContain('"after"')
    expect(cache.stats.readsRepeated).toBe(1)
  })

  test('a read that began before another key was evicted is kept', async () => {
    const { source, cache, load, peek } = setUpControlled()
    const loading = load()
    await settle()
    cache.evictKey('01900000-0000-7000-8000-0000000000ff')
    cache.evictToken(OTHER)
    source.pending.shift()?.answer(keyRecord())
    await loading
    expect(peek()).toBeDefined()
    expect(cache.stats.readsRepeated).toBe(0)
  })

  test('a new token is found although it was looked up in vain a moment before', async () => {
    const { source, cache, load } = setUp()
    expect((await load()).snapshot).toBeNull()
    source.records.set(TOKEN, keyRecord())
    cache.evictToken(TOKEN)
    expect((await load()).snapshot).not.toBeNull()
  })

  test('a new token is not hidden by a look-up that began before it was committed', async () => {
    const { source, cache, load, peek } = setUpControlled()
    const loading = load()
    await settle()
    cache.evictToken(TOKEN)
    source.pending.shift()?.answer(null)
    await settle()
    expect(peek()).toBeUndefined()
    source.pending.shift()?.answer(keyRecord())
    expect((await loading).snapshot).not.toBeNull()
  })

  test('forgetting what was looked up in vain leaves known keys alone', async () => {
    const { clock, source, cache, load, peek } = setUp()
    source.records.set(TOKEN, keyRecord())
    await load()
    await cache.load(OTHER, clock.now())
    cache.evictUnknown()
    expect(peek()).toBeDefined()
    expect(cache.peek(OTHER, clock.now())).toBeUndefined()
  })

  test('so many evictions during one read that they are not remembered one by one still discard it', async () => {
    const { source, cache, load } = setUpControlled()
    const record = keyRecord({ name: 'before' })
    const loading = load()
    await settle()
    cache.evictKey(record.keyId)
    for (let index = 0; index < 20_000; index++) cache.evictToken(hashToken(`imported ${index}`))
    source.pending.shift()?.answer(record)
    await settle()
    source.pending.shift()?.answer({ ...record, name: 'after' })
    expect((await loading).snapshot?.identityJson).toContain('"after"')
  })

  test('a key that changes during every single read is answered UNAVAILABLE, not with an old state', async () => {
    const { source, cache, load } = setUpControlled()
    const record = keyRecord()
    const loading = load()
    const outcome = expect(loading).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    for (let attempt = 0; attempt < 8; attempt++) {
      await settle()
      cache.evictKey(record.keyId)
      source.pending.shift()?.answer(record)
    }
    await outcome
    expect(source.pending).toHaveLength(0)
  })
})

describe('age', () => {
  test('an entry is refreshed behind the first hit after half its age limit, once', async () => {
    const { clock, source, load, peek } = setUp({ ageMaxMs: 60_000 })
    source.records.set(TOKEN, keyRecord({ name: 'before' }))
    await load()
    source.records.set(TOKEN, keyRecord({ name: 'after' }))
    clock.advance(46_000)
    for (let hit = 0; hit < 100; hit++) expect(peek()?.snapshot?.identityJson).toContain('"before"')
    await settle()
    expect(source.readCount).toBe(2)
    expect(peek()?.snapshot?.identityJson).toContain('"after"')
  })

  test('tokens that were read together are not all refreshed together', async () => {
    const { clock, source, cache } = setUp({ ageMaxMs: 60_000 })
    const hashes = Array.from({ length: 200 }, (_, index) => hashToken(`token ${index}`))
    for (const hash of hashes) {
      source.records.set(hash, keyRecord())
      await cache.load(hash, clock.now())
    }
    clock.advance(37_500)
    for (const hash of hashes) cache.peek(hash, clock.now())
    await settle()
    const refreshed = source.readCount - hashes.length
    expect(refreshed).toBeGreaterThan(50)
    expect(refreshed).toBeLessThan(150)
  })

  test('an entry is not used beyond its age limit', async () => {
    const { clock, source, load, peek } = setUp({ ageMaxMs: 60_000 })
    source.records.set(TOKEN, keyRecord())
    await load()
    clock.advance(60_000)
    expect(peek()).toBeUndefined()
  })

  test('a clock that is set back does not make an entry younger', async () => {
    const { clock, source, load, peek } = setUp({ ageMaxMs: 60_000 })
    source.records.set(TOKEN, keyRecord())
    await load()
    clock.advance(-1)
    expect(peek()).toBeUndefined()
  })
})

describe('trust', () => {
  test('without trust every use reads first, and sees what changed in silence', async () => {
    const { source, cache, load, peek } = setUp()
    source.records.set(TOKEN, keyRecord({ name: 'before' }))
    await load()
    cache.distrust()
    source.records.set(TOKEN, keyRecord({ name: 'after' }))
    expect(peek()).toBeUndefined()
    expect((await load()).snapshot?.identityJson).toContain('"after"')
    expect(peek()).toBeUndefined()
  })

  test('after trust returns, what was read before or during the silence is read once more', async () => {
    const { source, cache, load, peek } = setUp()
    source.records.set(TOKEN, keyRecord())
    await load()
    cache.distrust()
    await load()
    cache.trust()
    expect(peek()).toBeUndefined()
    await load()
    expect(peek()).toBeDefined()
  })

  test('without trust a caller does not join a read that began before it asked', async () => {
    const { source, cache, load } = setUpControlled()
    cache.distrust()
    const early = load()
    await settle()
    const late = load()
    await settle()
    source.pending.shift()?.answer(keyRecord({ name: 'before' }))
    await settle()
    source.pending.shift()?.answer(keyRecord({ name: 'after' }))
    expect((await early).snapshot?.identityJson).toContain('"before"')
    expect((await late).snapshot?.identityJson).toContain('"after"')
  })

  test('a caller after the silence does not get what a read found that began in it', async () => {
    const { source, cache, load, peek } = setUpControlled()
    cache.distrust()
    const early = load()
    await settle()
    cache.trust()
    const late = load()
    source.pending.shift()?.answer(keyRecord({ name: 'before' }))
    await settle()
    expect(peek()).toBeUndefined()
    source.pending.shift()?.answer(keyRecord({ name: 'after' }))
    for (const loaded of await Promise.all([early, late])) expect(loaded.snapshot?.identityJson).toContain('"after"')
  })
})

describe('a source that is down', () => {
  test('a key in memory is served past its age limit, marked stale', async () => {
    const { clock, source, load } = setUp({ staleMaxMs: 900_000 })
    source.records.set(TOKEN, keyRecord())
    await load()
    source.isDown = true
    clock.advance(61_000)
    expect(await load()).toMatchObject({ stale: true })
    expect((await load()).snapshot).not.toBeNull()
  })

  test('beyond the configured staleness the answer is UNAVAILABLE', async () => {
    const { clock, source, load } = setUp({ staleMaxMs: 900_000 })
    source.records.set(TOKEN, keyRecord())
    await load()
    source.isDown = true
    clock.advance(900_001)
    await expect(load()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 1 })
  })

  test('a key that is not in memory is UNAVAILABLE, never unknown', async () => {
    const { source, load, peek } = setUp()
    source.isDown = true
    await expect(load()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(peek()).toBeUndefined()
  })

  test('a token that was unknown before is not claimed to be unknown still', async () => {
    const { clock, source, load } = setUp({ unknownAgeMaxMs: 10_000 })
    await load()
    source.isDown = true
    clock.advance(10_000)
    await expect(load()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('an evicted key does not come back from memory', async () => {
    const { source, cache, load } = setUp()
    const record = keyRecord()
    source.records.set(TOKEN, record)
    await load()
    source.isDown = true
    cache.evictKey(record.keyId)
    await expect(load()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('a key that is evicted while the failing read is under way does not come back either', async () => {
    const { clock, source, cache, load } = setUpControlled()
    const record = keyRecord()
    const first = load()
    await settle()
    source.pending.shift()?.answer(record)
    await first
    clock.advance(61_000)
    const second = load()
    const outcome = expect(second).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await settle()
    cache.evictKey(record.keyId)
    source.pending.shift()?.fail(sourceAway())
    await outcome
  })

  test('while it is down, callers of stale keys do not wait for it; one probe per second does', async () => {
    const { clock, source, load } = setUpControlled()
    const first = load()
    await settle()
    source.pending.shift()?.answer(keyRecord())
    await first
    clock.advance(61_000)
    const failing = load()
    await settle()
    source.pending.shift()?.fail(sourceAway())
    expect((await failing).stale).toBe(true)

    for (let call = 0; call < 100; call++) expect((await load()).stale).toBe(true)
    expect(source.pending).toHaveLength(0)
    clock.advance(1_000)
    for (let call = 0; call < 100; call++) expect((await load()).stale).toBe(true)
    await settle()
    expect(source.pending).toHaveLength(1)
  })

  test('when it is back, answers are fresh again after one probe', async () => {
    const { clock, source, load, peek } = setUp()
    source.records.set(TOKEN, keyRecord())
    await load()
    source.isDown = true
    clock.advance(61_000)
    await load()
    source.isDown = false
    clock.advance(1_000)
    expect((await load()).stale).toBe(true)
    await settle()
    expect(peek()).toMatchObject({ stale: false })
  })

  test('a source that never answers is given up at the deadline', async () => {
    const { load } = setUpControlled({ readDeadlineMs: 5 })
    await expect(load()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('a failed refresh behind a hit disturbs nobody', async () => {
    const { clock, source, load, peek } = setUp({ ageMaxMs: 60_000 })
    source.records.set(TOKEN, keyRecord())
    await load()
    source.isDown = true
    clock.advance(46_000)
    expect(peek()).toBeDefined()
    await settle()
    expect(peek()).toBeDefined()
  })
})
