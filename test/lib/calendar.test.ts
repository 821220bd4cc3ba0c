import { describe, expect, test } from 'vitest'
import { createZoneCalendar, getZoneCalendar } from '../../src/lib/calendar.ts'

const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * HOUR_MS

function dayAt(zone: string, iso: string) {
  return createZoneCalendar(zone).day(Date.parse(iso))
}

function monthAt(zone: string, iso: string) {
  return createZoneCalendar(zone).month(Date.parse(iso))
}

describe('days', () => {
  test('a day is the local date of the zone, not of UTC', () => {
    expect(dayAt('Asia/Tokyo', '2026-11-21T15:00:00Z').id).toBe('2026-11-22')
    expect(dayAt('America/Los_Angeles', '2026-11-21T07:59:59Z').id).toBe('2026-11-20')
    expect(dayAt('UTC', '2026-11-21T23:59:59.999Z').id).toBe('2026-11-21')
    expect(dayAt('Asia/Kathmandu', '2026-11-21T18:15:00Z').startMs).toBe(Date.parse('2026-11-21T18:15:00Z'))
  })

  test('the day of a spring change has 23 hours, that of an autumn change 25', () => {
    const spring = dayAt('Europe/Berlin', '2026-03-29T12:00:00Z')
    const autumn = dayAt('Europe/Berlin', '2026-10-25T12:00:00Z')
    expect((spring.endMs - spring.startMs) / HOUR_MS).toBe(23)
    expect((autumn.endMs - autumn.startMs) / HOUR_MS).toBe(25)
    expect(
      (dayAt('Australia/Lord_Howe', '2026-04-04T20:00:00Z').endMs - Date.parse('2026-04-04T13:00:00Z')) / HOUR_MS,
    ).toBe(24.5)
  })

  test('a day without midnight starts when its clocks do', () => {
    const day = dayAt('America/Sao_Paulo', '2018-11-04T12:00:00Z')
    expect(day).toEqual({
      id: '2018-11-04',
      startMs: Date.parse('2018-11-04T03:00:00Z'),
      endMs: Date.parse('2018-11-05T02:00:00Z'),
    })
    expect(dayAt('America/Sao_Paulo', '2018-11-04T02:59:59.999Z').endMs).toBe(day.startMs)
  })

  test('a date that a zone left out is no day', () => {
    const before = dayAt('Pacific/Apia', '2011-12-30T09:00:00Z')
    expect(before.id).toBe('2011-12-29')
    expect(createZoneCalendar('Pacific/Apia').day(before.endMs).id).toBe('2011-12-31')
    expect(before.endMs - before.startMs).toBe(DAY_MS)
  })

  test('clocks that go back over midnight do not bring the old day back', () => {
    const calendar = createZoneCalendar('America/St_Johns')
    const firstMidnight = Date.parse('2010-11-07T02:30:00Z')
    const repeatedEvening = Date.parse('2010-11-07T02:45:00Z')
    expect(calendar.day(firstMidnight - 1).id).toBe('2010-11-06')
    expect(calendar.day(firstMidnight).id).toBe('2010-11-07')
    expect(calendar.day(repeatedEvening).id).toBe('2010-11-07')
    expect(createZoneCalendar('America/St_Johns').day(repeatedEvening).id).toBe('2010-11-07')
  })
})

describe('months', () => {
  test('every month has its own length, February in leap years too', () => {
    const lengths = (year: number) =>
      Array.from({ length: 12 }, (_, month) => {
        const { startMs, endMs } = createZoneCalendar('UTC').month(Date.UTC(year, month, 15))
        return (endMs - startMs) / DAY_MS
      })
    expect(lengths(2026)).toEqual([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    expect(lengths(2028)[1]).toBe(29)
    expect(lengths(2100)[1]).toBe(28)
  })

  test('the month after the 31st is the next one, however short', () => {
    const january = monthAt('Europe/Berlin', '2026-01-31T22:59:59.999Z')
    expect(january.id).toBe('2026-01')
    expect(january.endMs).toBe(Date.parse('2026-01-31T23:00:00Z'))
    expect(monthAt('Europe/Berlin', '2026-01-31T23:00:00Z').id).toBe('2026-02')
    expect(monthAt('Pacific/Auckland', '2026-12-31T11:00:00Z').id).toBe('2027-01')
  })

  test('a month with a clock change is an hour longer or shorter', () => {
    const march = monthAt('America/New_York', '2026-03-15T12:00:00Z')
    const november = monthAt('America/New_York', '2026-11-15T12:00:00Z')
    expect((march.endMs - march.startMs) / HOUR_MS).toBe(31 * 24 - 1)
    expect((november.endMs - november.startMs) / HOUR_MS).toBe(30 * 24 + 1)
  })
})

test.each([
  'UTC',
  'Europe/Berlin',
  'America/St_Johns',
  'America/Sao_Paulo',
  'Africa/Casablanca',
  'Asia/Gaza',
  'Pacific/Apia',
  'Australia/Lord_Howe',
  'America/Havana',
])('in %s, days and months divide the time line without gap, overlap or return', (zone) => {
  const calendar = createZoneCalendar(zone)
  for (const unit of ['day', 'month'] as const) {
    let period = calendar[unit](Date.UTC(2009, 11, 30))
    while (period.startMs < Date.UTC(2012, 2, 1)) {
      expect(createZoneCalendar(zone)[unit](period.startMs)).toEqual(period)
      expect(createZoneCalendar(zone)[unit](period.endMs - 1)).toEqual(period)
      const next = calendar[unit](period.endMs)
      expect(next.startMs).toBe(period.endMs)
      expect(next.id > period.id).toBe(true)
      period = next
    }
  }
})

test('instants on both sides of a boundary get their own period, in any order', () => {
  const calendar = createZoneCalendar('Europe/Berlin')
  const midnight = Date.parse('2026-11-20T23:00:00Z')
  for (const offset of [-1, 0, -1, 1, -DAY_MS, DAY_MS, 0, -1]) {
    const expected = createZoneCalendar('Europe/Berlin').day(midnight + offset)
    expect(calendar.day(midnight + offset)).toEqual(expected)
  }
})

test('a zone that does not exist is refused', () => {
  expect(() => createZoneCalendar('Europe/Nowhere')).toThrow(RangeError)
  expect(() => getZoneCalendar('')).toThrow(RangeError)
})
