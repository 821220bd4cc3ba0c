import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeywardError } from '../../../src/errors/keyward-error.ts'
import { decideInOrder } from '../../../src/verify/routes/decide-in-order.ts'
import { createManualClock } from '../../harness/manual-clock.ts'
import { settle } from '../key-records.ts'

interface Item {
  readonly name: string
  readonly index: number
}

function itemsOf(names: readonly string[]): Item[] {
  return names.map((name, index) => ({ name, index }))
}

const clock = createManualClock()
const nameOf = ({ name }: Item): string => name
const fail = (error: unknown): string => `failed: ${error instanceof Error ? error.message : String(error)}`

/** Decisions that end when the test says so. */
function createSlowDecisions() {
  const begun: Item[] = []
  const open: { readonly item: Item; end(): void }[] = []
  let openMost = 0
  return {
    begun,
    open,
    get openMost() {
      return openMost
    },
    decide(item: Item): Promise<string> {
      begun.push(item)
      const { promise, resolve } = Promise.withResolvers<string>()
      const decision = {
        item,
        end() {
          open.splice(open.indexOf(decision), 1)
          resolve(`${item.index}`)
        },
      }
      open.push(decision)
      openMost = Math.max(openMost, open.length)
      return promise
    },
  }
}

test('items that need no waiting are decided in their order', async () => {
  const seen: number[] = []
  const decide = ({ index }: Item): string => {
    seen.push(index)
    return String(index)
  }
  const items = itemsOf(Array.from({ length: 1000 }, () => 'same'))
  const results = await decideInOrder({ items, nameOf, decide, fail, clock })
  expect(seen).toEqual(items.map(({ index }) => index))
  expect(results).toEqual(items.map(({ index }) => String(index)))
})

test('items of one name are decided in their order, whoever has to wait for how long, and each result is in its place', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), waits: fc.nat(6) }), { maxLength: 150 }),
      async (given) => {
        const seen = new Map<string, number[]>()
        const results = await decideInOrder({
          items: itemsOf(given.map(({ name }) => name)),
          nameOf,
          decide({ name, index }) {
            const decided = () => {
              seen.set(name, [...(seen.get(name) ?? []), index])
              return `${index}`
            }
            const waits = given[index]?.waits ?? 0
            if (waits === 0) return decided()
            return (async () => {
              for (let turn = 0; turn < waits; turn++) await null
              return decided()
            })()
          },
          fail,
          clock,
        })
        expect(results).toEqual(given.map((_, index) => `${index}`))
        for (const indexes of seen.values()) expect(indexes).toEqual(indexes.toSorted((a, b) => a - b))
      },
    ),
  )
})

test('an item of another name does not wait for one that has to wait', async () => {
  const slow = createSlowDecisions()
  const decided: string[] = []
  const batch = decideInOrder({
    items: itemsOf(['cold', 'warm', 'cold']),
    nameOf,
    decide(item) {
      if (item.name === 'cold') return slow.decide(item)
      decided.push(item.name)
      return 'warm'
    },
    fail,
    clock,
  })
  await settle()
  expect(decided).toEqual(['warm'])
  expect(slow.begun.map(({ index }) => index)).toEqual([0])
  slow.open[0]?.end()
  await settle()
  slow.open[0]?.end()
  expect(await batch).toEqual(['0', 'warm', '2'])
})

test('of a thousand items that have to wait, 64 wait at once', async () => {
  const slow = createSlowDecisions()
  const items = itemsOf(Array.from({ length: 1000 }, (_, index) => `${index}`))
  let done = false
  const batch = decideInOrder({ items, nameOf, decide: slow.decide, fail, clock }).finally(() => {
    done = true
  })
  while (!done) {
    slow.open[Math.floor(slow.open.length / 2)]?.end()
    await settle()
  }
  expect(slow.openMost).toBe(64)
  expect(await batch).toEqual(items.map(({ index }) => `${index}`))
})

test('other work has its turn while a thousand items are decided', async () => {
  let turns = 0
  let isDone = false
  const count = (): void => {
    turns++
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  await decideInOrder({ items: itemsOf(Array.from({ length: 1000 }, () => '')), nameOf, decide: () => '', fail, clock })
  isDone = true
  expect(turns).toBeGreaterThanOrEqual(3)
})

describe('failures', () => {
  test('an item that throws or rejects fails in its place', async () => {
    const decide = ({ name }: Item): string | Promise<string> => {
      if (name === 'throws') throw new Error('thrown')
      return name === 'rejects' ? Promise.reject(new Error('rejected')) : name
    }
    const items = itemsOf(['a', 'throws', 'b', 'rejects', 'rejects', 'c'])
    expect(await decideInOrder({ items, nameOf, decide, fail, clock })).toEqual([
      'a',
      'failed: thrown',
      'b',
      'failed: rejected',
      'failed: rejected',
      'c',
    ])
  })

  test('when deciding takes more than five seconds, the rest is given up as UNAVAILABLE', async () => {
    const moving = createManualClock()
    const errors: unknown[] = []
    const results = await decideInOrder({
      items: itemsOf(Array.from({ length: 6 }, () => 'same')),
      nameOf,
      async decide({ index }) {
        moving.advance(2_000)
        return String(index)
      },
      fail(error) {
        errors.push(error)
        return 'given up'
      },
      clock: moving,
    })
    expect(results).toEqual(['0', '1', '2', 'given up', 'given up', 'given up'])
    for (const error of errors) expect(error).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 1 })
    expect(errors[0]).toBeInstanceOf(KeywardError)
  })
})
