import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countDaysLeft, findDueNotice } from '../../src/keys/notice-schedule.ts'

const DAY_MS = 86_400_000
const CREATED = new Date('2026-01-01T00:00:00Z')
const day = (days: number) => new Date(CREATED.getTime() + days * DAY_MS)
const DAYS_BEFORE = [14, 7, 1, 0]

test.each([
  ['before the first notice nothing is due', 30, CREATED, day(15.9), null],
  ['from the millisecond of a notice on it is due', 30, CREATED, day(16), day(16)],
  ['what was told is not due again', 30, day(16), day(22.9), null],
  ['the next notice is due then', 30, day(16), day(23), day(23)],
  ['of several that passed the last is due', 30, CREATED, day(29.5), day(29)],
  ['the deadline itself is the last one', 30, day(29), day(31), day(30)],
  ['after the deadline was told nothing is due', 30, day(30), day(300), null],
  ['a thing that lives five days is not announced to end at its beginning', 5, CREATED, day(3.9), null],
  ['but a day before its end', 5, CREATED, day(4), day(4)],
  ['a deadline that is put off is told anew', 60, day(30), day(46), day(46)],
  ['a clock that was set back tells nothing twice', 30, day(23), day(17), null],
])('%s', (_, deadline, toldAt, now, expected) => {
  expect(findDueNotice(day(deadline), DAYS_BEFORE, toldAt, now)).toEqual(expected)
})

/** Looks at the times that are given, and notes what was told. */
function listTold(deadline: Date, daysBefore: readonly number[], looks: readonly Date[]): number[] {
  let toldAt = CREATED
  const told: number[] = []
  for (const now of looks) {
    const due = findDueNotice(deadline, daysBefore, toldAt, now)
    if (due === null) continue
    told.push(due.getTime())
    toldAt = due
  }
  return told
}

const hours = fc.integer({ min: 0, max: 24 * 60 })
const daysBefore = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 6 })

test('no moment is told twice and none out of turn, however the clock jumps', () => {
  fc.assert(
    fc.property(hours, daysBefore, fc.array(hours, { maxLength: 60 }), (deadlineHour, days, looks) => {
      const told = listTold(
        day(deadlineHour / 24),
        days,
        looks.map((hour) => day(hour / 24)),
      )
      expect(told).toEqual([...new Set(told)].sort((a, b) => a - b))
    }),
  )
})

test('who looks each hour tells each moment of the life of the thing, in order', () => {
  fc.assert(
    fc.property(hours, daysBefore, (deadlineHour, days) => {
      const deadline = day(deadlineHour / 24)
      const looks = Array.from({ length: deadlineHour + 1 }, (_, hour) => day(hour / 24))
      const moments = days.map((before) => deadline.getTime() - before * DAY_MS).filter((at) => at > CREATED.getTime())
      expect(listTold(deadline, days, looks)).toEqual(moments.sort((a, b) => a - b))
    }),
  )
})

test('days that are left count as whole when they have begun, and are never below zero', () => {
  expect([13.5, 14, 0.001, 0, -3].map((left) => countDaysLeft(day(left), CREATED))).toEqual([14, 14, 1, 0, 0])
})
