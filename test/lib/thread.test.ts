import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeAll, expect, inject, test } from 'vitest'
import {
  createThread,
  listOwnMemory,
  type Pieces,
  receivePieces,
  type Thread,
  type ThreadOptions,
} from '../../src/lib/thread.ts'

let module: URL
let thread: { stop(): Promise<void> } | null = null

beforeAll(async () => {
  const path = join(inject('runFolder'), `thread-${process.pid}.ts`)
  const lib = new URL('../../src/lib/thread.ts', import.meta.url).href
  await writeFile(
    path,
    `import { threadId } from 'node:worker_threads'
     import { type SendPieces, serveThread } from '${lib}'
     serveThread((input: unknown, sendPieces: SendPieces) => {
       if (input instanceof Uint8Array) return input.byteLength
       if (typeof input === 'number') return sendPieces(Array.from({ length: input }, (_, index) => index))
       if (input === 'fill') for (const all = [];;) all.push(Array(1e5).fill({}))
       if (input === 'who') return threadId
       if (input === 'hang') for (;;) {}
       if (input === 'end') process.exit(1)
       if (input === 'fail') throw new Error('It failed.')
       return String(input).toUpperCase()
     })`,
  )
  module = pathToFileURL(path)
})
afterEach(async () => {
  await thread?.stop()
})

function start<Input = string, Output = string>(options: Partial<ThreadOptions> = {}): Thread<Input, Output> {
  const started = createThread<Input, Output>({ module, waitingMax: 10, deadlineMs: 30_000, ...options })
  thread = started
  return started
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

test('a call that takes too much memory is given up, and the next one is answered', async () => {
  const { call } = start({ memoryMb: 32 })
  await expect(call('fill')).rejects.toMatchObject({ reason: 'memory' })
  expect(await call('a')).toBe('A')
})

test('as many calls run at once as may, each in a thread that is used again or ends, as was asked for', async () => {
  const kept = start<string, number>({ concurrentMax: 2 })
  const ids = await Promise.all([kept.call('who'), kept.call('who')])
  expect(new Set(ids).size).toBe(2)
  expect(ids).toContain(await kept.call('who'))
  await kept.stop()
  const ending = start<string, number>({ endsWithCall: true })
  expect(await ending.call('who')).not.toBe(await ending.call('who'))
})

test('memory is handed over where it is all of its own, and copied where others use it', async () => {
  const { call } = start<Uint8Array, number>()
  const [own, cut, shared] = [new Uint8Array(7), new Uint8Array(new ArrayBuffer(9), 2, 5), new SharedArrayBuffer(3)]
  expect([own, cut, new Uint8Array(shared)].map((bytes) => listOwnMemory(bytes).length)).toEqual([1, 0, 0])
  expect(await call(own, listOwnMemory(own))).toBe(7)
  expect(own.byteLength).toBe(0)
  expect(await call(cut, listOwnMemory(cut))).toBe(5)
  expect(cut.byteLength).toBe(5)
})

test('pieces come in their order, and others have a turn between two of them', async () => {
  const { call } = start<number, Pieces<number>>()
  const pieces = await call(50)
  if (pieces === null) throw new Error('Nothing was called.')
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  const received: number[] = []
  for await (const piece of receivePieces(pieces)) {
    received.push(piece)
    const end = performance.now() + 2
    while (performance.now() < end);
  }
  clearInterval(counting)
  expect(received).toEqual(Array.from({ length: 50 }, (_, index) => index))
  expect(turns).toBeGreaterThan(40)
})
