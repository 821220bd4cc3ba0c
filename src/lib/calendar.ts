/** A day or a month of a time zone, as a half-open interval of instants. */
export interface CalendarPeriod {
  /** `2026-11-21` for a day, `2026-11` for a month. Ids of one kind sort as their periods do. */
  readonly id: string
  /** First instant, in milliseconds since the Unix epoch. */
  readonly startMs: number
  /** First instant after it. */
  readonly endMs: number
}

/**
 * The days and months of one IANA time zone. They divide the time line: each instant lies in exactly one day and one
 * month, days of 23 or 25 hours and days that a zone left out (Apia, 2011-12-30) included. Where the clocks went back
 * over midnight (St John's until 2011: from 00:01 to 23:01 of the day before), the repeated hour belongs to the new
 * day, although wall clocks show the old date again: a period that has ended does not come back.
 *
 * The last two answers of each kind are remembered, so that asking again costs two comparisons of numbers, also while
 * instants of both sides of a boundary alternate. Computing an answer costs some microseconds.
 */
export interface ZoneCalendar {
  readonly zone: string
  day(instantMs: number): CalendarPeriod
  month(instantMs: number): CalendarPeriod
}

export type CalendarUnit = 'day' | 'month'

/** Throws a RangeError when the runtime does not know the zone. */
export function createZoneCalendar(zone: string): ZoneCalendar {
  Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone)
  return {
    zone,
    day: rememberLastTwo((instantMs) => computePeriod('day', instantMs, zone)),
    month: rememberLastTwo((instantMs) => computePeriod('month', instantMs, zone)),
  }
}

/** More zones than the tz database has names; beyond it, only names that are written in odd ways pay for themselves. */
const SHARED_CALENDARS_MAX = 1000
const sharedCalendars = new Map<string, ZoneCalendar>()

/** The calendar of a zone, shared by all who ask for it. Throws like `createZoneCalendar`. */
export function getZoneCalendar(zone: string): ZoneCalendar {
  const shared = sharedCalendars.get(zone)
  if (shared !== undefined) return shared
  const calendar = createZoneCalendar(zone)
  if (sharedCalendars.size < SHARED_CALENDARS_MAX) sharedCalendars.set(zone, calendar)
  return calendar
}

function rememberLastTwo(compute: (instantMs: number) => CalendarPeriod): (instantMs: number) => CalendarPeriod {
  let last: CalendarPeriod = { id: '', startMs: 0, endMs: 0 }
  let previous = last
  return (instantMs) => {
    if (instantMs >= last.startMs && instantMs < last.endMs) return last
    const found = instantMs >= previous.startMs && instantMs < previous.endMs ? previous : compute(instantMs)
    previous = last
    last = found
    return found
  }
}

function computePeriod(unit: CalendarUnit, instantMs: number, zone: string): CalendarPeriod {
  const step = unit === 'day' ? { days: 1 } : { months: 1 }
  const today = Temporal.Instant.fromEpochMilliseconds(instantMs).toZonedDateTimeISO(zone).toPlainDate()
  let first = unit === 'day' ? today : today.with({ day: 1 })
  let next = first.add(step)
  while (startOf(next, zone) <= instantMs) {
    first = next
    next = next.add(step)
  }
  const id = first.toString().slice(0, unit === 'day' ? undefined : -'-01'.length)
  return { id, startMs: startOf(first, zone), endMs: startOf(next, zone) }
}

/** The first instant of a date; where clocks skip midnight, that is later than 00:00. */
function startOf(date: Temporal.PlainDate, zone: string): number {
  return date.toZonedDateTime(zone).epochMilliseconds
}
