import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TimeWindow, Weekday } from '../../../src/configs/effective-config.ts'
import { compileTimeWindows, isWithinTimeWindows, parseTimeWindow } from '../../../src/verify/access/time-windows.ts'
import { findZoneOffset } from '../../../src/verify/access/zone-offset.ts'

const WEEKDAYS: readonly Weekday[] = ['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN']

function windowOf(text: string, timeZone: string): TimeWindow {
  const [days = '', start = '', end = ''] = text.split(' ')
  return { days: WEEKDAYS.filter((day) => days.split(',').includes(day)), start, end, timeZone }
}

function isOpen(windows: readonly TimeWindow[], nowMs: number): boolean {
  const { rules } = compileTimeWindows(windows)
  return rules === undefined || isWithinTimeWindows(rules, nowMs)
}

const formatters = new Map<string, Intl.DateTimeFormat>()

/** What a wall clock shows, from Intl: the day and the milliseconds since midnight. */
function readWallClock(timeZone: string, instantMs: number): { day: number; timeMs: number } {
  const formatter =
    formatters.get(timeZone) ??
    new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
  formatters.set(timeZone, formatter)
  const parts = Object.fromEntries(formatter.formatToParts(instantMs).map(({ type, value }) => [type, value]))
  const seconds = Number(parts.hour) * 3600 + Number(parts.minute) * 60 + Number(parts.second)
  const day = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].indexOf(parts.weekday ?? '')
  return { day, timeMs: seconds * 1000 + (((instantMs % 1000) + 1000) % 1000) }
}

function isOpenNaively({ days, start, end, timeZone }: TimeWindow, instantMs: number): boolean {
  const { day, timeMs } = readWallClock(timeZone, instantMs)
  const startsOn = (index: number) => days.some((name) => name === WEEKDAYS[(index + 7) % 7])
  const startMs = readLocalTimeMs(start)
  const endMs = readLocalTimeMs(end)
  if (startMs === endMs) return startsOn(day)
  if (startMs < endMs) return startsOn(day) && timeMs >= startMs && timeMs < endMs
  return (startsOn(day) && timeMs >= startMs) || (startsOn(day - 1) && timeMs < endMs)
}

function readLocalTimeMs(text: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = text.split(':').map(Number)
  return (hours * 3600 + minutes * 60 + seconds) * 1000
}

describe('a time window', () => {
  // 2026-06-01 is a Monday.
  it.each([
    ['MON 09:00 17:00', '2026-06-01T08:59:59.999Z', false],
    ['MON 09:00 17:00', '2026-06-01T09:00:00Z', true],
    ['MON 09:00 17:00', '2026-06-01T16:59:59.999Z', true],
    ['MON 09:00 17:00', '2026-06-01T17:00:00Z', false],
    ['MON 09:00 17:00', '2026-06-02T12:00:00Z', false],
    ['MON 09:00:30 09:00:31', '2026-06-01T09:00:30Z', true],
    ['MON 09:00:30 09:00:31', '2026-06-01T09:00:31Z', false],
    ['MON 09:00:30.500 09:00:31', '2026-06-01T09:00:30.499Z', false],
    ['MON 00:00 00:00', '2026-06-01T00:00:00Z', true],
    ['MON 00:00 00:00', '2026-06-01T23:59:59.999Z', true],
    ['MON 00:00 00:00', '2026-06-02T00:00:00Z', false],
    ['MON 00:00 00:00', '2026-05-31T23:59:59.999Z', false],
    ['MON 09:00 09:00', '2026-06-01T08:00:00Z', true],
    ['MON 09:00 09:00', '2026-06-02T08:00:00Z', false],
    ['MON 22:00 00:00', '2026-06-01T23:59:59.999Z', true],
    ['MON 22:00 00:00', '2026-06-02T00:00:00Z', false],
    ['MON 22:00 06:00', '2026-06-01T21:59:59.999Z', false],
    ['MON 22:00 06:00', '2026-06-01T22:00:00Z', true],
    ['MON 22:00 06:00', '2026-06-02T05:59:59.999Z', true],
    ['MON 22:00 06:00', '2026-06-02T06:00:00Z', false],
    ['MON 22:00 06:00', '2026-06-01T05:00:00Z', false],
    ['SUN 22:00 06:00', '2026-06-01T05:00:00Z', true],
    ['SUN 22:00 06:00', '2026-06-01T06:00:00Z', false],
    ['SUN 22:00 06:00', '2026-05-31T05:00:00Z', false],
    ['MON 00:00 00:00', '1969-12-29T12:00:00Z', true],
    ['MON 00:00 00:00', '1969-12-30T12:00:00Z', false],
  ])('%s at %s: %s', (text, instant, expected) => {
    expect(isOpen([windowOf(text, 'UTC')], Date.parse(instant))).toBe(expected)
  })

  it.each([
    // The clock goes from 02:00 to 03:00 on 2026-03-29 and from 03:00 back to 02:00 on 2026-10-25.
    ['Europe/Berlin', 'SUN 01:00 02:00', '2026-03-29T00:59:59.999Z', true],
    ['Europe/Berlin', 'SUN 01:00 02:00', '2026-03-29T01:00:00Z', false],
    ['Europe/Berlin', 'SUN 02:00 03:00', '2026-03-29T00:59:59.999Z', false],
    ['Europe/Berlin', 'SUN 02:00 03:00', '2026-03-29T01:00:00Z', false],
    ['Europe/Berlin', 'SUN 02:30 04:00', '2026-03-29T00:59:59.999Z', false],
    ['Europe/Berlin', 'SUN 02:30 04:00', '2026-03-29T01:00:00Z', true],
    ['Europe/Berlin', 'SUN 02:30 04:00', '2026-03-29T02:00:00Z', false],
    ['Europe/Berlin', 'SAT 22:00 06:00', '2026-03-29T03:59:59.999Z', true],
    ['Europe/Berlin', 'SAT 22:00 06:00', '2026-03-29T04:00:00Z', false],
    ['Europe/Berlin', 'SUN 00:00 00:00', '2026-03-29T21:59:59.999Z', true],
    ['Europe/Berlin', 'SUN 00:00 00:00', '2026-03-29T22:00:00Z', false],
    ['Europe/Berlin', 'SUN 02:00 03:00', '2026-10-25T00:00:00Z', true],
    ['Europe/Berlin', 'SUN 02:00 03:00', '2026-10-25T00:59:59.999Z', true],
    ['Europe/Berlin', 'SUN 02:00 03:00', '2026-10-25T01:00:00Z', true],
    ['Europe/Berlin', 'SUN 02:00 03:00', '2026-10-25T02:00:00Z', false],
    ['Europe/Berlin', 'SUN 02:30 02:45', '2026-10-25T00:30:00Z', true],
    ['Europe/Berlin', 'SUN 02:30 02:45', '2026-10-25T00:45:00Z', false],
    ['Europe/Berlin', 'SUN 02:30 02:45', '2026-10-25T01:30:00Z', true],
    ['Europe/Berlin', 'SUN 02:30 02:45', '2026-10-25T01:45:00Z', false],
    ['Europe/Berlin', 'SAT 22:00 06:00', '2026-10-25T04:59:59.999Z', true],
    ['Europe/Berlin', 'SAT 22:00 06:00', '2026-10-25T05:00:00Z', false],
    // From 02:00 to 03:00 on 2026-03-08 and from 02:00 back to 01:00 on 2026-11-01.
    ['America/New_York', 'SUN 01:00 02:00', '2026-03-08T06:59:59.999Z', true],
    ['America/New_York', 'SUN 02:00 03:00', '2026-03-08T07:00:00Z', false],
    ['America/New_York', 'SUN 03:00 04:00', '2026-03-08T07:00:00Z', true],
    ['America/New_York', 'SUN 03:00 04:00', '2026-03-08T08:00:00Z', false],
    ['America/New_York', 'SUN 01:00 02:00', '2026-11-01T05:00:00Z', true],
    ['America/New_York', 'SUN 01:00 02:00', '2026-11-01T06:59:59.999Z', true],
    ['America/New_York', 'SUN 01:00 02:00', '2026-11-01T07:00:00Z', false],
    ['America/New_York', 'SUN 00:00 00:00', '2026-11-02T04:59:59.999Z', true],
    ['America/New_York', 'SUN 00:00 00:00', '2026-11-02T05:00:00Z', false],
    // Half an hour: from 02:00 (+11) back to 01:30 (+10:30) on 2026-04-05, from 02:00 to 02:30 on 2026-10-04.
    ['Australia/Lord_Howe', 'SUN 01:30 02:00', '2026-04-04T14:30:00Z', true],
    ['Australia/Lord_Howe', 'SUN 01:30 02:00', '2026-04-04T15:00:00Z', true],
    ['Australia/Lord_Howe', 'SUN 01:30 02:00', '2026-04-04T15:29:59.999Z', true],
    ['Australia/Lord_Howe', 'SUN 01:30 02:00', '2026-04-04T15:30:00Z', false],
    ['Australia/Lord_Howe', 'SUN 02:00 02:30', '2026-10-03T15:29:59.999Z', false],
    ['Australia/Lord_Howe', 'SUN 02:00 02:30', '2026-10-03T15:30:00Z', false],
    ['Australia/Lord_Howe', 'SUN 02:30 03:00', '2026-10-03T15:30:00Z', true],
    ['Australia/Lord_Howe', 'SUN 02:30 03:00', '2026-10-03T16:00:00Z', false],
    // +05:45 all year.
    ['Asia/Kathmandu', 'MON 09:00 17:00', '2026-06-01T03:14:59.999Z', false],
    ['Asia/Kathmandu', 'MON 09:00 17:00', '2026-06-01T03:15:00Z', true],
    ['Asia/Kathmandu', 'MON 09:00 17:00', '2026-06-01T11:14:59.999Z', true],
    ['Asia/Kathmandu', 'MON 09:00 17:00', '2026-06-01T11:15:00Z', false],
    ['Asia/Kathmandu', 'MON 00:00 00:00', '2026-05-31T18:15:00Z', true],
    // The clock skips midnight: 2026-03-29 begins at 01:00.
    ['Asia/Beirut', 'SUN 00:00 00:00', '2026-03-28T21:59:59.999Z', false],
    ['Asia/Beirut', 'SUN 00:00 00:00', '2026-03-28T22:00:00Z', true],
  ])('in %s, %s at %s: %s', (zone, text, instant, expected) => {
    expect(isOpen([windowOf(text, zone)], Date.parse(instant))).toBe(expected)
    expect(isOpenNaively(windowOf(text, zone), Date.parse(instant))).toBe(expected)
  })

  it('is open when any of several is, each in its own zone', () => {
    const windows = [windowOf('MON 09:00 10:00', 'Europe/Berlin'), windowOf('MON 09:00 10:00', 'America/New_York')]
    expect(isOpen(windows, Date.parse('2026-06-01T07:30:00Z'))).toBe(true)
    expect(isOpen(windows, Date.parse('2026-06-01T13:30:00Z'))).toBe(true)
    expect(isOpen(windows, Date.parse('2026-06-01T09:30:00Z'))).toBe(false)
  })

  it('does not restrict when there is none', () => {
    expect(compileTimeWindows([]).rules).toBeUndefined()
  })

  it('never opens when it cannot be read', () => {
    const { issues } = compileTimeWindows([
      windowOf('MON 00:00 00:00', 'UTC'),
      windowOf('MON 00:00 00:00', 'Mars/Phobos'),
    ])
    expect(issues).toMatchObject([{ index: 1, field: 'timeZone' }])
    expect(
      isOpen([windowOf('MON,TUE,WED,THU,FRI,SAT,SUN 00:00 00:00', 'Mars/Phobos')], Date.parse('2026-06-01T12:00:00Z')),
    ).toBe(false)
  })

  it.each([
    [{ start: '24:00' }, 'start'],
    [{ start: '9:00' }, 'start'],
    [{ start: '09:60' }, 'start'],
    [{ start: '09:00:60' }, 'start'],
    [{ start: '09:00Z' }, 'start'],
    [{ start: '09:00\n' }, 'start'],
    [{ end: '24:00' }, 'end'],
    [{ end: '' }, 'end'],
    [{ days: [] }, 'days'],
    [{ days: Array<Weekday>(8).fill('MON') }, 'days'],
    [{ timeZone: 'Mars/Phobos' }, 'timeZone'],
    [{ timeZone: '+01:00' }, 'timeZone'],
    [{ timeZone: '' }, 'timeZone'],
    [{ timeZone: 'Europe/Berlin ' }, 'timeZone'],
  ])('with %j is refused for its %s', (part, field) => {
    expect(parseTimeWindow({ days: ['MON'], start: '09:00', end: '17:00', timeZone: 'UTC', ...part })).toMatchObject({
      ok: false,
      field,
    })
  })

  it('agrees with a wall clock made by Intl at any instant, in any order of instants', () => {
    const zone = fc.constantFrom(
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'UTC',
      'Asia/Beirut',
      'America/St_Johns',
      'America/Havana',
      'Africa/Casablanca',
      'Pacific/Apia',
      'Pacific/Chatham',
      'Europe/Dublin',
      'America/Sao_Paulo',
      'Antarctica/Troll',
    )
    const time = fc
      .tuple(fc.nat(23), fc.constantFrom(0, 15, 30, 59))
      .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'))
    const window = fc.record({
      days: fc.subarray([...WEEKDAYS], { minLength: 1 }),
      start: time,
      end: time,
      timeZone: zone,
    })
    const year = (value: number) => Date.UTC(value, 0, 1)
    const instant = fc.oneof(fc.integer({ min: year(2000), max: year(2045) }), nearTransition(zone))
    fc.assert(
      fc.property(
        fc.array(window, { minLength: 1, maxLength: 4 }),
        fc.array(instant, { minLength: 1, maxLength: 6 }),
        (windows, instants) => {
          const { rules } = compileTimeWindows(windows)
          for (const at of instants) {
            const expected = windows.some((each) => isOpenNaively(each, at))
            expect(rules && isWithinTimeWindows(rules, at)).toBe(expected)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
})

/** Instants within three hours of a change of the clock. */
function nearTransition(zone: fc.Arbitrary<string>): fc.Arbitrary<number> {
  return fc
    .tuple(
      zone,
      fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2040, 0, 1) }),
      fc.integer({ min: -10_800_000, max: 10_800_000 }),
    )
    .map(([timeZone, fromMs, distanceMs]) => {
      const local = Temporal.Instant.fromEpochMilliseconds(fromMs).toZonedDateTimeISO(timeZone)
      return (local.getTimeZoneTransition('next')?.epochMilliseconds ?? fromMs) + distanceMs
    })
}

describe('zone offsets', () => {
  it('are those of Temporal at the very millisecond of each change, asked forwards and backwards', () => {
    for (const name of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Casablanca']) {
      const zone = findZoneOffset(name)
      let at = Temporal.Instant.from('2020-01-01T00:00Z').toZonedDateTimeISO(name)
      for (let change = 0; change < 24; change++) {
        const next = at.getTimeZoneTransition('next')
        if (next === null) break
        at = next
        for (const distanceMs of [-1, 0, 1, -1]) {
          const instantMs = at.epochMilliseconds + distanceMs
          const expectedMs =
            Temporal.Instant.fromEpochMilliseconds(instantMs).toZonedDateTimeISO(name).offsetNanoseconds / 1e6
          expect(zone?.offsetMsAt(instantMs)).toBe(expectedMs)
        }
      }
    }
  })

  it('know a zone in any letter case and by its old names', () => {
    expect(findZoneOffset('europe/BERLIN')?.timeZone).toBe('Europe/Berlin')
    expect(findZoneOffset('Asia/Katmandu')?.offsetMsAt(0)).toBe(5.5 * 3_600_000)
    expect(findZoneOffset('Etc/GMT-1')?.offsetMsAt(0)).toBe(3_600_000)
  })

  it.each([
    '',
    'Mars/Phobos',
    '+01:00',
    '-05',
    'Z',
    '2020-01-01[Europe/Berlin]',
    'Europe/Berlin[u-ca=iso8601]',
    '__proto__',
  ])('know no zone named %j', (name) => {
    expect(findZoneOffset(name)).toBeUndefined()
  })
})
