import { createSemaphore, type Semaphore } from './semaphore.ts'

/** Runs what has the same key one after the other, and everything else at once. */
export interface KeyedQueue {
  /** Null, and nothing is run, when too much waits under the key already. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> | null
}

export function createKeyedQueue({ waitingMax }: { readonly waitingMax: number }): KeyedQueue {
  const lanes = new Map<string, { readonly semaphore: Semaphore; users: number }>()

  return {
    run(key, work) {
      const lane = lanes.get(key) ?? { semaphore: createSemaphore({ concurrentMax: 1, waitingMax }), users: 0 }
      const result = lane.semaphore.run(work)
      if (result === null) return null
      lanes.set(key, lane)
      lane.users++
      return result.finally(() => {
        lane.users--
        if (lane.users === 0) lanes.delete(key)
      })
    },
  }
}
