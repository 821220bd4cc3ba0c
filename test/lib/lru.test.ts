import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLru, type LruEntry } from '../../src/lib/lru.ts'

interface Numbered extends LruEntry {
  readonly value: number
}

const numbered = (value: number): Numbered => ({ value, usedLately: false })

test('it never holds more than its bound, and says which entry gave way', () => {
  const evicted: string[] = []
  const lru = createLru<string, Numbered>({ entriesMax: 2, onEvict: (key) => evicted.push(key) })
  lru.set('a', numbered(1))
  lru.set('b', numbered(2))
  lru.set('c', numbered(3))
  expect(lru.size).toBe(2)
  expect(evicted).toEqual(['a'])
  expect([lru.peek('b')?.value, lru.peek('c')?.value]).toEqual([2, 3])
})

test('what is used stays while what is not used gives way', () => {
  const lru = createLru<number, Numbered>({ entriesMax: 100 })
  for (let key = 0; key < 10; key++) lru.set(key, numbered(key))
  for (let key = 1000; key < 5000; key++) {
    for (let hot = 0; hot < 10; hot++) lru.get(hot)
    lru.set(key, numbered(key))
  }
  for (let hot = 0; hot < 10; hot++) expect(lru.peek(hot)?.value).toBe(hot)
})

test('peeking does not count as use', () => {
  const lru = createLru<string, Numbered>({ entriesMax: 2 })
  lru.set('a', numbered(1))
  lru.set('b', numbered(2))
  lru.peek('a')
  lru.set('c', numbered(3))
  expect(lru.peek('a')).toBeUndefined()
})

test('any sequence of calls agrees with a map, except for entries that gave way', () => {
  const calls = fc.array(
    fc.tuple(fc.constantFrom('set', 'get', 'delete', 'clear'), fc.integer({ min: 0, max: 12 }), fc.integer()),
    { maxLength: 300 },
  )
  fc.assert(
    fc.property(calls, fc.integer({ min: 1, max: 8 }), (sequence, entriesMax) => {
      const model = new Map<number, number>()
      const lru = createLru<number, Numbered>({ entriesMax, onEvict: (key) => expect(model.delete(key)).toBe(true) })
      for (const [call, key, value] of sequence) {
        if (call === 'set') {
          lru.set(key, numbered(value))
          model.set(key, value)
        } else if (call === 'get') expect(lru.get(key)?.value).toBe(model.get(key))
        else if (call === 'delete') expect(lru.delete(key)).toBe(model.delete(key))
        else {
          lru.clear()
          model.clear()
        }
        expect(lru.size).toBe(model.size)
        expect(lru.size).toBeLessThanOrEqual(entriesMax)
      }
    }),
  )
})

test('a bound that is no positive integer is refused', () => {
  for (const entriesMax of [0, -1, 1.5, Number.NaN]) expect(() => createLru({ entriesMax })).toThrow(RangeError)
})
