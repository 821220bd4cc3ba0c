import { describe, expect, test } from 'vitest'
import { createZoneCalendar } from '../../../src/lib/calendar.ts'
import { NOT_LOADED } from '../../../src/verify/limits/limiter.ts'
import { QuotaCount } from '../../../src/verify/limits/quota-count.ts'
import { type QuotaFlush, QuotaLedger } from '../../../src/verify/limits/quota-ledger.ts'
import { makeRule } from './limit-rules.ts'
import { type Random, withSeeds } from './seeded-random.ts'

const UTC = createZoneCalendar('UTC')
const NOON = Date.parse('2026-11-21T12:00:00Z')
const LIMIT = 1_000_000_000
const rule = makeRule({ perDay: LIMIT })

/** Storage as the ledger asks for it. */
class Storage {
  readonly #counts = new Map<string, number>()
  readonly #sequences = new Map<string, number>()

  commit(node: string, flush: QuotaFlush): void {
    if ((this.#sequences.get(node) ?? 0) >= flush.sequence) return
    this.#sequences.set(node, flush.sequence)
    for (const row of flush.rows) {
      const at = `${row.subjectId} ${row.unit} ${row.periodId}`
      this.#counts.set(at, (this.#counts.get(at) ?? 0) + row.delta)
    }
  }

  used(subjectId: string, periodId: string): number {
    return this.#counts.get(`${subjectId} day ${periodId}`) ?? 0
  }

  read(node: string, subjectId: string, nowMs: number) {
    const periodId = UTC.day(nowMs).id
    return {
      stored: [{ periodId, used: this.used(subjectId, periodId) }],
      sequence: this.#sequences.get(node) ?? 0,
      nowMs,
    }
  }
}

function usedNow(count: QuotaCount, nowMs: number): number {
  return LIMIT - count.room(rule, 0, nowMs)
}

function take(count: QuotaCount, cost: number, nowMs: number): void {
  expect(count.room(rule, 0, nowMs)).not.toBe(NOT_LOADED)
  count.take(cost)
}

/** One node: a ledger, a count that is in memory or not, a flush on its way, reads on their way. */
function simulateNode(random: Random, storage: Storage, node: string) {
  const ledger = new QuotaLedger()
  let count: QuotaCount | null = null
  let sent: QuotaFlush | null = null
  let committed = false
  let reads: ReturnType<Storage['read']>[] = []
  const taken = new Map<string, number>()

  const steps: ((nowMs: number) => void)[] = [
    (nowMs) => {
      if (count === null || count.room(rule, 0, nowMs) === NOT_LOADED) return
      const cost = random.int(0, 5)
      take(count, cost, nowMs)
      const { id } = UTC.day(nowMs)
      taken.set(id, (taken.get(id) ?? 0) + cost)
    },
    () => {
      const next = ledger.drain(10)
      if (next !== sent) committed = false
      sent = next
    },
    () => {
      if (sent === null) return
      storage.commit(node, sent)
      committed = true
    },
    () => {
      if (sent === null || !committed) return
      ledger.confirm(sent.sequence)
      sent = null
    },
    () => {
      if (sent === null || committed) return
      ledger.rollback(sent.sequence)
      sent = null
    },
    (nowMs) => {
      reads.push(storage.read(node, 'k', nowMs))
    },
    (nowMs) => {
      const read = random.chance(0.7) ? reads.shift() : reads.pop()
      if (read === undefined || UTC.day(read.nowMs).id !== UTC.day(nowMs).id) return
      count ??= new QuotaCount(ledger, 'key', 'k', 'day')
      count.load(read.stored, read.sequence, UTC, read.nowMs)
    },
    () => {
      if (count?.isIdle() !== true) return
      count.close()
      count = null
    },
  ]

  return {
    ledger,
    step: (nowMs: number) => random.pick(steps)(nowMs),
    used: (nowMs: number) => (count === null ? NOT_LOADED : usedNow(count, nowMs)),
    isLoaded: (nowMs: number) => count !== null && count.room(rule, 0, nowMs) !== NOT_LOADED,
    taken: (id: string) => taken.get(id) ?? 0,
    finish() {
      reads = []
      for (let flush = ledger.drain(10); flush !== null; flush = ledger.drain(10)) {
        storage.commit(node, flush)
        ledger.confirm(flush.sequence)
      }
    },
  }
}

describe('in any order of counting, flushing, reading, loading and forgetting', () => {
  test('one node always knows exactly what was counted, and so does storage in the end', () => {
    withSeeds(300, (random) => {
      const storage = new Storage()
      const node = simulateNode(random, storage, 'a')
      let nowMs = NOON
      for (let i = 0; i < 300; i++) {
        if (random.chance(0.01)) nowMs += random.pick([1, -1, 1]) * 24 * 3_600_000
        node.step(nowMs)
        if (node.isLoaded(nowMs)) expect(node.used(nowMs)).toBe(node.taken(UTC.day(nowMs).id))
      }
      node.finish()
      for (let day = -9; day < 9; day++) {
        const { id } = UTC.day(NOON + day * 24 * 3_600_000)
        expect(storage.used('k', id)).toBe(node.taken(id))
      }
    })
  })

  test('with several nodes storage has the sum, and no node sees more than that or less than its own', () => {
    withSeeds(100, (random) => {
      const storage = new Storage()
      const nodes = ['a', 'b', 'c'].map((name) => simulateNode(random, storage, name))
      const { id } = UTC.day(NOON)
      const sum = () => nodes.reduce((total, node) => total + node.taken(id), 0)
      for (let i = 0; i < 600; i++) {
        const node = random.pick(nodes)
        node.step(NOON)
        if (!node.isLoaded(NOON)) continue
        expect(node.used(NOON)).toBeGreaterThanOrEqual(node.taken(id))
        expect(node.used(NOON)).toBeLessThanOrEqual(sum())
      }
      for (const node of nodes) node.finish()
      expect(storage.used('k', id)).toBe(sum())
    })
  })

  test('a node that is killed loses what it had not flushed and nothing else', () => {
    withSeeds(100, (random) => {
      const storage = new Storage()
      const killed = simulateNode(random, storage, 'a')
      for (let i = 0; i < 200; i++) killed.step(NOON)
      const { id } = UTC.day(NOON)
      const survived = storage.used('k', id)
      expect(survived).toBeLessThanOrEqual(killed.taken(id))
      const next = simulateNode(random, storage, 'b')
      for (let i = 0; i < 200; i++) {
        next.step(NOON)
        if (next.isLoaded(NOON)) expect(next.used(NOON)).toBe(survived + next.taken(id))
      }
    })
  })
})

describe('a flush', () => {
  function openCount(ledger: QuotaLedger): QuotaCount {
    const count = new QuotaCount(ledger, 'key', 'k', 'day')
    count.load([], 0, UTC, NOON)
    return count
  }

  test('is the same until it is confirmed, and counts meanwhile are in the next one', () => {
    const ledger = new QuotaLedger()
    const count = openCount(ledger)
    take(count, 3, NOON)
    const first = ledger.drain(10)
    take(count, 4, NOON)
    expect(ledger.drain(10)).toBe(first)
    expect(first).toEqual({
      sequence: 1,
      rows: [
        {
          scope: 'key',
          subjectId: 'k',
          unit: 'day',
          periodId: '2026-11-21',
          delta: 3,
          limit: LIMIT,
          warningPercent: 0,
          isRefused: false,
        },
      ],
    })
    ledger.confirm(1)
    ledger.confirm(1)
    expect(ledger.drain(10)).toMatchObject({ sequence: 2, rows: [{ delta: 4 }] })
    ledger.confirm(2)
    expect(ledger.drain(10)).toBeNull()
    expect(usedNow(count, NOON)).toBe(7)
  })

  test('that is rolled back is in the next one, under a new sequence', () => {
    const ledger = new QuotaLedger()
    const count = openCount(ledger)
    take(count, 3, NOON)
    ledger.drain(10)
    take(count, 4, NOON)
    ledger.rollback(1)
    expect(ledger.drain(10)).toMatchObject({ sequence: 2, rows: [{ delta: 7 }] })
    expect(usedNow(count, NOON)).toBe(7)
  })

  test('has at most so many rows, the rest is in the next one', () => {
    const ledger = new QuotaLedger()
    for (let i = 0; i < 25; i++) take(openCount(ledger), 1, NOON)
    const sizes = []
    for (let flush = ledger.drain(10); flush !== null; flush = ledger.drain(10)) {
      sizes.push(flush.rows.length)
      ledger.confirm(flush.sequence)
    }
    expect(sizes).toEqual([10, 10, 5])
  })

  test('that was committed and is not confirmed yet is not counted twice by a read that contains it', () => {
    const ledger = new QuotaLedger()
    const count = openCount(ledger)
    take(count, 3, NOON)
    ledger.drain(10)
    take(count, 2, NOON)
    count.load([{ periodId: '2026-11-21', used: 3 }], 1, UTC, NOON)
    expect(usedNow(count, NOON)).toBe(5)
    ledger.confirm(1)
    expect(usedNow(count, NOON)).toBe(5)
  })

  test('that is under way is added to a read that lacks it and contains counts of other nodes', () => {
    const ledger = new QuotaLedger()
    const count = openCount(ledger)
    take(count, 3, NOON)
    ledger.drain(10)
    take(count, 2, NOON)
    count.load([{ periodId: '2026-11-21', used: 100 }], 0, UTC, NOON)
    expect(usedNow(count, NOON)).toBe(105)
    ledger.confirm(1)
    count.load([{ periodId: '2026-11-21', used: 103 }], 1, UTC, NOON)
    expect(usedNow(count, NOON)).toBe(105)
  })

  test('is not lost by a read from before it that arrives after the count was forgotten', () => {
    const ledger = new QuotaLedger()
    const count = openCount(ledger)
    take(count, 3, NOON)
    ledger.drain(10)
    ledger.confirm(1)
    count.close()
    const again = new QuotaCount(ledger, 'key', 'k', 'day')
    expect(again.load([], 0, UTC, NOON)).toBe('stale')
    expect(again.room(rule, 0, NOON)).toBe(NOT_LOADED)
    expect(again.load([{ periodId: '2026-11-21', used: 3 }], 1, UTC, NOON)).toBe('loaded')
    expect(usedNow(again, NOON)).toBe(3)
  })

  test('a count that storage lacks cannot be forgotten', () => {
    const ledger = new QuotaLedger()
    const count = openCount(ledger)
    take(count, 1, NOON)
    expect(count.isIdle()).toBe(false)
    expect(() => count.close()).toThrow()
    ledger.drain(10)
    expect(count.isIdle()).toBe(false)
    ledger.confirm(1)
    expect(count.isIdle()).toBe(true)
  })
})

describe('periods', () => {
  test('a new day starts at 0, and the clock going back over midnight finds the old count', () => {
    const ledger = new QuotaLedger()
    const count = new QuotaCount(ledger, 'key', 'k', 'day')
    const midnight = Date.parse('2026-11-22T00:00:00Z')
    count.load([{ periodId: '2026-11-21', used: 40 }], 0, UTC, NOON)
    take(count, 2, midnight - 1)
    expect(usedNow(count, midnight - 1)).toBe(42)
    expect(usedNow(count, midnight)).toBe(0)
    take(count, 5, midnight)
    expect(usedNow(count, midnight - 1)).toBe(42)
    expect(usedNow(count, midnight)).toBe(5)
    expect(ledger.drain(10)?.rows.map(({ periodId, delta }) => [periodId, delta])).toEqual([
      ['2026-11-21', 2],
      ['2026-11-22', 5],
    ])
  })

  test('a day before all known ones is asked of storage, not guessed', () => {
    const ledger = new QuotaLedger()
    const count = new QuotaCount(ledger, 'key', 'k', 'day')
    const daysAgo = NOON - 3 * 24 * 3_600_000
    count.load([{ periodId: '2026-11-21', used: 40 }], 0, UTC, NOON)
    expect(count.room(rule, 0, daysAgo)).toBe(NOT_LOADED)
    count.load([{ periodId: '2026-11-18', used: 7 }], 0, UTC, daysAgo)
    expect(usedNow(count, daysAgo)).toBe(7)
    expect(usedNow(count, NOON)).toBe(40)
  })

  test.each([
    ['finds the day behind the newest one', [9, 4], ['2026-11-22', '2026-11-21'], 4],
    ['finds a day in which nothing was used', [9, 4], ['2026-11-22', '2026-11-20'], 0],
    ['finds the day before the first one', [9], ['2026-11-22'], 0],
    ['goes by the oldest day that was read when it is further back', [9, 4], ['2026-11-23', '2026-11-22'], 4],
  ])('a clock that is behind storage %s, and does not ask again forever', (_, used, days, expected) => {
    const count = new QuotaCount(new QuotaLedger(), 'key', 'k', 'day')
    const stored = days.map((periodId, index) => ({ periodId, used: used[index] ?? 0 }))
    expect(count.load(stored, 0, UTC, NOON)).toBe('loaded')
    expect(usedNow(count, NOON)).toBe(expected)
  })

  test('a row of an earlier period says nothing about this one', () => {
    const count = new QuotaCount(new QuotaLedger(), 'key', 'k', 'day')
    count.load([{ periodId: '2026-11-20', used: 9 }], 0, UTC, NOON)
    expect(usedNow(count, NOON)).toBe(0)
  })

  test('years of days leave two counts in memory', () => {
    const ledger = new QuotaLedger()
    const count = new QuotaCount(ledger, 'key', 'k', 'day')
    count.load([], 0, UTC, NOON)
    for (let day = 0; day < 800; day++) {
      take(count, 1, NOON + day * 24 * 3_600_000)
      const flush = ledger.drain(10)
      if (flush !== null) ledger.confirm(flush.sequence)
    }
    expect(count.countsInMemory).toBe(2)
  })
})
