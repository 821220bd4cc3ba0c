/**
 * Settles as `work` does, or rejects with what `onDeadline` makes when that takes longer than `deadlineMs`. The work
 * itself goes on: only the waiting ends, and what comes of the work later is ignored.
 */
export function withDeadline<T>(work: Promise<T>, deadlineMs: number, onDeadline: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(onDeadline()), deadlineMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
