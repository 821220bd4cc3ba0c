import { expect, test } from 'vitest'
import { createSemaphore } from '../../src/lib/semaphore.ts'

/** Work that ends when it is told to. */
function createWork() {
  let running = 0
  let most = 0
  const started: number[] = []
  const ends: (() => void)[] = []
  return {
    started,
    get most() {
      return most
    },
    endNext: () => ends.shift()?.(),
    run: (name: number) => async () => {
      started.push(name)
      running += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => ends.push(resolve))
      running -= 1
      return name
    },
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

test('no more than its bound runs at once, the others wait in the order in which they came', async () => {
  const semaphore = createSemaphore({ concurrentMax: 2, waitingMax: 10 })
  const work = createWork()
  const results = [1, 2, 3, 4, 5].map((name) => semaphore.run(work.run(name)))
  await settle()
  expect(work.started).toEqual([1, 2])
  for (let count = 0; count < 5; count++) {
    work.endNext()
    await settle()
  }
  expect(await Promise.all(results)).toEqual([1, 2, 3, 4, 5])
  expect(work.started).toEqual([1, 2, 3, 4, 5])
  expect(work.most).toBe(2)
})

test('who comes when too many wait is refused at once, and nothing of it runs', async () => {
  const semaphore = createSemaphore({ concurrentMax: 1, waitingMax: 1 })
  const work = createWork()
  const first = semaphore.run(work.run(1))
  const second = semaphore.run(work.run(2))
  expect(semaphore.run(work.run(3))).toBeNull()
  work.endNext()
  await settle()
  work.endNext()
  expect(await Promise.all([first, second])).toEqual([1, 2])
  expect(work.started).toEqual([1, 2])
})

test('work that fails gives its place back', async () => {
  const semaphore = createSemaphore({ concurrentMax: 1, waitingMax: 0 })
  for (let count = 0; count < 3; count++) {
    await expect(semaphore.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  }
  expect(await semaphore.run(async () => 'fine')).toBe('fine')
})

test('a place is free again once everybody is done', async () => {
  const semaphore = createSemaphore({ concurrentMax: 1, waitingMax: 1 })
  await Promise.all([semaphore.run(async () => 1), semaphore.run(async () => 2)])
  expect(await semaphore.run(async () => 3)).toBe(3)
})
