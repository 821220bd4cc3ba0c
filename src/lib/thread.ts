import { parentPort, Worker } from 'node:worker_threads'
import { createSemaphore } from './semaphore.ts'

/**
 * A function that runs in a thread of its own, because it computes for so long that everybody else would have to wait. The
 * thread starts with the first call, takes one call at a time, and keeps no process alive.
 */
export interface Thread<Input, Output> {
  /** Null, and nothing is run, when too many calls wait already. Rejects when it takes too long, and starts anew then. */
  call(input: Input): Promise<Output> | null
  stop(): Promise<void>
}

export interface ThreadOptions {
  /** A module that calls `serveThread`. */
  readonly module: URL
  readonly waitingMax: number
  /** For one call, the start of the thread included. */
  readonly deadlineMs: number
}

type Answer<Output> = { readonly value: Output } | { readonly failure: string }

export function createThread<Input, Output>({ module, waitingMax, deadlineMs }: ThreadOptions): Thread<Input, Output> {
  const semaphore = createSemaphore({ concurrentMax: 1, waitingMax })
  let worker: Worker | null = null

  function start(): Worker {
    const started = new Worker(module, { execArgv: [] })
    started.unref()
    return started
  }

  function ask(asked: Worker, input: Input): Promise<Answer<Output>> {
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
      const onError = (error: unknown) => {
        release()
        reject(error)
      }
      const onExit = () => onError(new Error('The thread ended.'))
      const timer = setTimeout(() => onError(new Error(`The thread took longer than ${deadlineMs} ms.`)), deadlineMs)
      asked.on('message', onMessage).on('error', onError).on('exit', onExit)
      asked.postMessage(input)
    })
  }

  async function end(): Promise<void> {
    const ending = worker
    worker = null
    await ending?.terminate()
  }

  async function run(input: Input): Promise<Output> {
    worker ??= start()
    const asked = worker
    try {
      const answer = await ask(asked, input)
      if ('value' in answer) return answer.value
      throw new Error(answer.failure)
    } catch (error) {
      await end()
      throw error
    }
  }

  return { call: (input) => semaphore.run(() => run(input)), stop: end }
}

/** The other side: answers each call with what `work` returns. To be called once, in the module that the thread runs. */
export function serveThread<Input, Output>(work: (input: Input) => Output): void {
  const port = parentPort
  if (port === null) throw new Error('This module runs in a thread.')
  port.on('message', (input: Input) => {
    try {
      port.postMessage({ value: work(input) })
    } catch (error) {
      port.postMessage({ failure: error instanceof Error ? error.message : String(error) })
    }
  })
}
