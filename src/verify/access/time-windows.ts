/**
 * Time windows: when, by the clock on a wall in some zone, a key may be used.
 *
 * - `days` name the day on which a window starts. `start` is inclusive, `end` exclusive.
 * - `end` before `start` wraps midnight: FRI 22:00–06:00 ends on Saturday at 06:00.
 * - `end` equal to `start` is the whole of each named day, from midnight to midnight.
 * - The clock on the wall decides, also when it is set. In spring, a window inside the skipped hour does not occur on that day, and
 *   one that starts in it opens when the clock lands in it. In autumn, a window inside the repeated hour is open both times.
 *
 * Compiled, the windows of one zone are merged, disjoint intervals in the week of that zone. A check costs an
 * addition, a remainder and a binary search per zone.
 */

import type { TimeWindow, Weekday } from '../../configs/effective-config.ts'
import { acceptEntry, type EntryIssue, type RuleEntry, readEntries, refuseEntry } from './rule-entry.ts'
import { findZoneOffset, type ZoneOffset } from './zone-offset.ts'

export const TIME_WINDOWS_MAX = 100

export type TimeWindowRules = { readonly zones: readonly ZoneWindows[] }

type ZoneWindows = {
  readonly zone: ZoneOffset
  /** Starts at even, ends at odd places, in milliseconds from Monday 00:00 local; ascending and disjoint. */
  readonly boundariesMs: Float64Array
}

/** From, inclusive, until, exclusive, in milliseconds from Monday 00:00. */
type Interval = readonly [number, number]
type ParsedWindow = { readonly zone: ZoneOffset; readonly intervals: readonly Interval[] }

const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS
/** The epoch was a Thursday, three days into a week that starts on Monday. */
const EPOCH_IN_WEEK_MS = 3 * DAY_MS
const WEEKDAYS: readonly Weekday[] = ['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN']

/** Compiles the windows. None: no rules, the key may always be used. A window that cannot be read never opens. */
export function compileTimeWindows(windows: readonly TimeWindow[]): {
  readonly rules: TimeWindowRules | undefined
  readonly issues: readonly EntryIssue[]
} {
  const { values, issues } = readEntries(windows, parseTimeWindow)
  const intervalsByZone = Map.groupBy(values, (window) => window.zone)
  const zones = [...intervalsByZone].map(([zone, parsed]) => ({
    zone,
    boundariesMs: mergeIntervals(parsed.flatMap((window) => window.intervals)),
  }))
  return { rules: windows.length > 0 ? { zones } : undefined, issues }
}

/** Whether a window is open at the instant, in milliseconds since the epoch. */
export function isWithinTimeWindows(rules: TimeWindowRules, nowMs: number): boolean {
  for (const { zone, boundariesMs } of rules.zones) {
    const sinceMondayMs = (nowMs + zone.offsetMsAt(nowMs) + EPOCH_IN_WEEK_MS) % WEEK_MS
    const inWeekMs = sinceMondayMs < 0 ? sinceMondayMs + WEEK_MS : sinceMondayMs
    // An odd number of boundaries at or before now: the last one was a start.
    if (countAtOrBelow(boundariesMs, inWeekMs) % 2 === 1) return true
  }
  return false
}

/** Checks one window and turns it into intervals of the week. */
export function parseTimeWindow(window: TimeWindow): RuleEntry<ParsedWindow> {
  const zone = findZoneOffset(window.timeZone)
  const startMs = parseLocalTime(window.start)
  const endMs = parseLocalTime(window.end)
  const dayIndexes = window.days.map((day) => WEEKDAYS.indexOf(day))
  if (dayIndexes.length === 0 || dayIndexes.length > WEEKDAYS.length || dayIndexes.includes(-1)) {
    return refuseEntry(`The days are one to seven of ${WEEKDAYS.join(', ')}.`, 'days')
  }
  if (startMs === undefined) {
    return refuseEntry('The start is a local time from 00:00 to 23:59, such as 09:00 or 09:00:30.', 'start')
  }
  if (endMs === undefined) {
    return refuseEntry(
      'The end is a local time from 00:00 to 23:59; 00:00 is midnight, the start repeated is the whole day.',
      'end',
    )
  }
  if (zone === undefined) return refuseEntry('The time zone is an IANA name such as Europe/Berlin.', 'timeZone')
  return acceptEntry({ zone, intervals: dayIndexes.flatMap((day) => intervalsOfDay(day * DAY_MS, startMs, endMs)) })
}

/** Milliseconds from midnight of `HH:MM`, `HH:MM:SS` or `HH:MM:SS.sss`, or undefined. `24:00` is no local time. */
export function parseLocalTime(text: string): number | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{3}))?)?$/.exec(text)
  if (match === null) return undefined
  const [, hours = 0, minutes = 0, seconds = 0, milliseconds = 0] = match
  return Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000 + Number(milliseconds)
}

function intervalsOfDay(dayStartMs: number, startMs: number, endMs: number): readonly Interval[] {
  if (startMs === endMs) return [[dayStartMs, dayStartMs + DAY_MS]]
  const from = dayStartMs + startMs
  const until = dayStartMs + endMs + (endMs < startMs ? DAY_MS : 0)
  if (until <= WEEK_MS) return [[from, until]]
  return [
    [from, WEEK_MS],
    [0, until - WEEK_MS],
  ]
}

function mergeIntervals(intervals: readonly Interval[]): Float64Array {
  const boundaries: number[] = []
  for (const [from, until] of intervals.toSorted((left, right) => left[0] - right[0])) {
    const lastUntil = boundaries.at(-1)
    if (lastUntil !== undefined && from <= lastUntil) boundaries[boundaries.length - 1] = Math.max(lastUntil, until)
    else boundaries.push(from, until)
  }
  return Float64Array.from(boundaries)
}

function countAtOrBelow(ascending: Float64Array, value: number): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ascending[middle] ?? 0) <= value) low = middle + 1
    else high = middle
  }
  return low
}
