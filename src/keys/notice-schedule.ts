const DAY_MS = 24 * 60 * 60 * 1000

/**
 * The latest moment at which something had to be told of a deadline, if it was not told yet: of the days before the
 * deadline, 0 being the deadline itself, those that lie after `toldAt` and not after `now`. Null when there is none.
 *
 * `toldAt` is what this returned the last time, or when the thing began that the deadline ends. So each moment is told
 * once, whatever the clock does meanwhile; of several that passed while nobody looked only the last is told; and a thing
 * that lives shorter than a notice is not announced to end at its beginning.
 */
export function findDueNotice(deadline: Date, daysBefore: readonly number[], toldAt: Date, now: Date): Date | null {
  const moments = daysBefore.map((days) => deadline.getTime() - days * DAY_MS)
  const due = moments.filter((moment) => moment > toldAt.getTime() && moment <= now.getTime())
  return due.length === 0 ? null : new Date(Math.max(...due))
}

/** Days of 24 hours that are left, the last one begun counting as a whole. */
export function countDaysLeft(deadline: Date, now: Date): number {
  return Math.max(0, Math.ceil((deadline.getTime() - now.getTime()) / DAY_MS))
}

export function addDays(instant: Date, days: number): Date {
  return new Date(instant.getTime() + days * DAY_MS)
}
