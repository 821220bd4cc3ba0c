/** Work that is done again and again until it is stopped. */
export interface PeriodicWork {
  start(): void
  /** Begins no more work, and resolves when what is under way has ended. May be called again. */
  stop(): Promise<void>
}

export interface PeriodicWorkOptions {
  readonly intervalMs: number
  readonly run: () => Promise<unknown>
  /** Told of each run that failed; the next one comes as if it had not. */
  readonly onFailure: (error: unknown) => void
}

/** The first run comes one interval after the start. A run that takes longer than the interval is not joined by another. */
export function createPeriodicWork({ intervalMs, run, onFailure }: PeriodicWorkOptions): PeriodicWork {
  let timer: NodeJS.Timeout | null = null
  let underWay: Promise<void> | null = null

  function runOnce(): void {
    if (underWay !== null) return
    underWay = run()
      .then(() => undefined, onFailure)
      .finally(() => {
        underWay = null
      })
  }

  return {
    start() {
      timer ??= setInterval(runOnce, intervalMs).unref()
    },
    async stop() {
      if (timer !== null) clearInterval(timer)
      timer = null
      await underWay
    },
  }
}
