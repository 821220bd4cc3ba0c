import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeAll, expect, inject, test } from 'vitest'
import { createThread, type Thread } from '../../src/lib/thread.ts'

let module: URL
let thread: Thread<string, string> | null = null

beforeAll(async () => {
  const path = join(inject('runFolder'), `thread-${process.pid}.ts`)
  const lib = new URL('../../src/lib/thread.ts', import.meta.url).href
  await writeFile(
    path,
    `import { serveThread } from '${lib}'
     serveThread((input: string): string => {
       if (input === 'hang') for (;;) {}
       if (input === 'end') process.exit(1)
       if (input === 'fail') throw new Error('It failed.')
       return input.toUpperCase()
     })`,
  )
  module = pathToFileURL(path)
})
afterEach(async () => {
  await thread?.stop()
})

function start(options: { waitingMax?: number; deadlineMs?: number } = {}): Thread<string, string> {
  thread = createThread({ module, waitingMax: 10, deadlineMs: 30_000, ...options })
  return thread
}

test('calls are answered, one after the other', async () => {
  const { call } = start()
  expect(await Promise.all([call('a'), call('b'), call('c')])).toEqual(['A', 'B', 'C'])
})

test('a call that fails is told why, and the next one is answered', async () => {
  const { call } = start()
  await expect(call('fail')).rejects.toThrow('It failed.')
  expect(await call('a')).toBe('A')
})

test('a call that hangs is given up, and the next one is answered', async () => {
  const { call } = start({ deadlineMs: 2_000 })
  await expect(call('hang')).rejects.toThrow('The thread took longer than 2000 ms.')
  expect(await call('a')).toBe('A')
})

test('a thread that ends is started anew', async () => {
  const { call } = start()
  await expect(call('end')).rejects.toThrow('The thread ended.')
  expect(await call('a')).toBe('A')
})

test('more calls than may wait are not taken', async () => {
  const { call } = start({ waitingMax: 1 })
  const [first, second, third] = [call('a'), call('b'), call('c')]
  expect(third).toBeNull()
  expect(await Promise.all([first, second])).toEqual(['A', 'B'])
})
