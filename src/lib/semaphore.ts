export interface Semaphore {
  /** Runs the work as soon as there is room; null, and nothing run, when too many wait already. */
  run<T>(work: () => Promise<T>): Promise<T> | null
}

/** Lets `concurrentMax` pieces of work run at once and up to `waitingMax` more wait, first come first served. */
export function createSemaphore(bounds: { concurrentMax: number; waitingMax: number }): Semaphore {
  const waiting: (() => void)[] = []
  let running = 0

  async function runCounted<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } finally {
      // The place passes on without becoming free, so that a newcomer cannot slip in before who waits.
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }

  return {
    run(work) {
      if (running < bounds.concurrentMax) {
        running += 1
        return runCounted(work)
      }
      if (waiting.length >= bounds.waitingMax) return null
      return new Promise<void>((resolve) => waiting.push(resolve)).then(() => runCounted(work))
    },
  }
}
