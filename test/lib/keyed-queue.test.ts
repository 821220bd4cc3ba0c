import { expect, test } from 'vitest'
import { createKeyedQueue } from '../../src/lib/keyed-queue.ts'

test('what has one key runs one after the other, what has another at once', async () => {
  const queue = createKeyedQueue({ waitingMax: 10 })
  const events: string[] = []
  const work = (name: string) => async () => {
    events.push(`${name} begins`)
    await Promise.resolve()
    events.push(`${name} ends`)
  }
  await Promise.all([queue.run('a', work('a1')), queue.run('a', work('a2')), queue.run('b', work('b1'))])
  expect(events.filter((event) => event.startsWith('a'))).toEqual(['a1 begins', 'a1 ends', 'a2 begins', 'a2 ends'])
  expect(events.indexOf('b1 begins')).toBeLessThan(events.indexOf('a1 ends'))
})

test('what fails lets the next one run', async () => {
  const queue = createKeyedQueue({ waitingMax: 10 })
  const failing = queue.run('a', async () => {
    throw new Error('It failed.')
  })
  const next = queue.run('a', async () => 'next')
  await expect(failing).rejects.toThrow('It failed.')
  expect(await next).toBe('next')
})

test('more than may wait under a key is not taken, and other keys are not touched by that', async () => {
  const queue = createKeyedQueue({ waitingMax: 1 })
  const work = async () => 'done'
  const taken = [queue.run('a', work), queue.run('a', work)]
  expect(queue.run('a', work)).toBeNull()
  expect(await queue.run('b', work)).toBe('done')
  expect(await Promise.all(taken)).toEqual(['done', 'done'])
  expect(await queue.run('a', work)).toBe('done')
})
