import { setPriority } from 'node:os'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { MessageChannel, type MessagePort, parentPort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { createSemaphore } from './semaphore.ts'

/**
 * A function that runs in a thread of its own, because it computes for so long that everybody else would have to wait. The
 * thread starts with the first call, takes one call at a time, and keeps no process alive.
 *
 * What goes in and out is copied, and the copy is made in one go by whoever receives it. So what is large goes in as
 * memory that changes hands or is shared, and comes out in pieces.
 */
export interface Thread<Input, Output> {
  /**
   * Null, and nothing is run, when too many calls wait already. Rejects with ThreadError, and the thread starts anew then.
   *
   * @param handedOver memory of the input that is not copied, and that the caller has no more
   */
  call(input: Input, handedOver?: readonly ArrayBuffer[]): Promise<Output> | null
  stop(): Promise<void>
}

export interface ThreadOptions {
  /** A module that calls `serveThread`. */
  readonly module: URL
  /** Calls that run at once, each in a thread; 1 when absent. */
  readonly concurrentMax?: number
  readonly waitingMax: number
  /** For one call, the start of the thread included. */
  readonly deadlineMs: number
  /** Megabytes of objects that live; what Node gives a process when absent. */
  readonly memoryMb?: number
  /** Whether a thread ends with its call, so that nothing is left of what it worked on. */
  readonly endsWithCall?: boolean
}

/** A call that has no answer. */
export class ThreadError extends Error {
  override readonly name = 'ThreadError'
  readonly reason: 'deadline' | 'memory' | 'ended' | 'failed'

  constructor(reason: ThreadError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

type Answer<Output> = { readonly value: Output } | { readonly failure: string }

export function createThread<Input, Output>(options: ThreadOptions): Thread<Input, Output> {
  const { module, concurrentMax = 1, waitingMax, deadlineMs, memoryMb, endsWithCall = false } = options
  const semaphore = createSemaphore({ concurrentMax, waitingMax })
  const workers = new Set<Worker>()
  const idle: Worker[] = []

  function start(): Worker {
    const started = new Worker(module, {
      // Nothing of the server's surroundings is for what is worked on to see.
      env: {},
      execArgv: [],
      ...(memoryMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb: memoryMb, stackSizeMb: 4 } }),
    })
    started.unref()
    workers.add(started)
    return started
  }

  function ask(asked: Worker, input: Input, handedOver: readonly ArrayBuffer[]): Promise<Answer<Output>> {
    return new Promise((resolve, reject) => {
      // Node keeps listeners of its own on a worker, so ours are taken away one by one.
      const release = () => {
        clearTimeout(timer)
        asked.off('message', onMessage).off('error', onError).off('exit', onExit)
      }
      const onMessage = (answer: Answer<Output>) => {
        release()
        resolve(answer)
      }
      const fail = (error: ThreadError) => {
        release()
        reject(error)
      }
      const onError = (error: NodeJS.ErrnoException) =>
        fail(
          error.code === 'ERR_WORKER_OUT_OF_MEMORY'
            ? new ThreadError('memory', 'The thread took too much memory.', { cause: error })
            : new ThreadError('failed', error.message, { cause: error }),
        )
      const onExit = () => fail(new ThreadError('ended', 'The thread ended.'))
      const timer = setTimeout(
        () => fail(new ThreadError('deadline', `The thread took longer than ${deadlineMs} ms.`)),
        deadlineMs,
      )
      asked.on('message', onMessage).on('error', onError).on('exit', onExit)
      asked.postMessage(input, handedOver)
    })
  }

  async function end(ending: Worker): Promise<void> {
    workers.delete(ending)
    await ending.terminate()
  }

  async function run(input: Input, handedOver: readonly ArrayBuffer[]): Promise<Output> {
    const asked = idle.pop() ?? start()
    let isKept = false
    try {
      const answer = await ask(asked, input, handedOver)
      if ('failure' in answer) throw new ThreadError('failed', answer.failure)
      isKept = !endsWithCall && workers.has(asked)
      return answer.value
    } finally {
      if (isKept) idle.push(asked)
      else await end(asked)
    }
  }

  return {
    call: (input, handedOver = []) => semaphore.run(() => run(input, handedOver)),
    async stop() {
      idle.length = 0
      await Promise.all([...workers].map(end))
    },
  }
}

/**
 * The memory of an input that can be handed over. Node cuts small buffers out of larger memory that others use, too: that has to
 * be copied. Shared memory needs neither.
 */
export function listOwnMemory({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
}

/** Many values that come out of a thread one by one. */
export interface Pieces<Piece> {
  readonly port: MessagePort
  /** Never there: it lets a compiler tell what the pieces are. */
  readonly piece?: Piece
}

/** Makes pieces of an answer, inside the thread. */
export type SendPieces = <Piece>(pieces: Iterable<Piece>) => Pieces<Piece>

/**
 * The other side: answers each call with what `work` returns. To be called once, in the module that the thread runs.
 */
export function serveThread<Input, Output>(
  work: (input: Input, sendPieces: SendPieces) => Output | Promise<Output>,
): void {
  const parent = parentPort
  if (parent === null) throw new Error('This module runs in a thread.')
  parent.on('message', async (input: Input) => {
    const ports: MessagePort[] = []
    try {
      const value = await work(input, (pieces) => {
        const { port1: outgoing, port2: port } = new MessageChannel()
        for (const piece of pieces) outgoing.postMessage(piece)
        outgoing.close()
        ports.push(port)
        return { port }
      })
      parent.postMessage({ value }, ports)
    } catch (error) {
      parent.postMessage({ failure: error instanceof Error ? error.message : String(error) })
    }
  })
}

/** Each piece in a turn of its own, so that others have theirs in between. To be called once. */
export async function* receivePieces<Piece>({ port }: Pieces<Piece>): AsyncGenerator<Piece> {
  try {
    // All of them were sent before the answer that the port came with.
    for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
      yield received.message
      await yieldToOthers()
    }
  } finally {
    port.close()
  }
}

/**
 * Lower than that of others, and not the lowest: on a processor that is never free it gets a quarter of what an equal would,
 * where the lowest gets next to nothing, so that a thread would run into its deadline, or into others while it holds a lock.
 */
const LOW_PRIORITY = 5

/**
 * Lets the other threads of the process go first when processors are scarce. To be called inside a thread that nobody waits
 * for impatiently. Linux alone knows a priority of one thread: elsewhere it would be that of the whole process, which
 * stays as it is.
 */
export function yieldProcessor(): void {
  if (process.platform !== 'linux') return
  try {
    // Linux takes 0 for the thread that calls.
    setPriority(0, LOW_PRIORITY)
  } catch {
    // A sandbox may forbid it. Then all threads go on as equals.
  }
}
