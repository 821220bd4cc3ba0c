import { expect, test } from 'vitest'
import { createSingleFlight } from '../../src/lib/single-flight.ts'

test('callers who ask at the same time share one piece of work', async () => {
  const flight = createSingleFlight<string, number>()
  let runs = 0
  const work = async () => ++runs
  const results = await Promise.all([flight.run('a', work), flight.run('a', work), flight.run('b', work)])
  expect(results).toEqual([1, 1, 2])
  expect(flight.size).toBe(0)
})

test('a caller who asks later gets new work', async () => {
  const flight = createSingleFlight<string, number>()
  let runs = 0
  await flight.run('a', async () => ++runs)
  expect(await flight.run('a', async () => ++runs)).toBe(2)
})

test('a failure reaches every caller and is not remembered', async () => {
  const flight = createSingleFlight<string, number>()
  const failing = () => Promise.reject(new Error('no'))
  const both = await Promise.allSettled([flight.run('a', failing), flight.run('a', failing)])
  expect(both.map((result) => result.status)).toEqual(['rejected', 'rejected'])
  expect(await flight.run('a', async () => 7)).toBe(7)
})

test('work that throws before it awaits is a failure like any other', async () => {
  const flight = createSingleFlight<string, number>()
  await expect(
    flight.run('a', () => {
      throw new Error('at once')
    }),
  ).rejects.toThrow('at once')
  expect(flight.isUnderWay('a')).toBe(false)
})

test('nobody joins a flight that was closed, and its end does not disturb the next one', async () => {
  const flight = createSingleFlight<string, string>()
  const first = Promise.withResolvers<string>()
  const second = Promise.withResolvers<string>()
  const early = flight.run('a', () => first.promise)
  flight.close('a')
  const late = flight.run('a', () => second.promise)
  first.resolve('first')
  expect(await early).toBe('first')
  expect(flight.isUnderWay('a')).toBe(true)
  second.resolve('second')
  expect(await late).toBe('second')
  expect(flight.size).toBe(0)
})
