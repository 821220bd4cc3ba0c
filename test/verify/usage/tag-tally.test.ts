import { expect, test } from 'vitest'
import { countTags, OTHER_TAG, TAGS_PER_DAY_MAX, type TagTallies } from '../../../src/verify/usage/tag-tally.ts'
import { listCodes } from '../../../src/verify/usage/verdict-tally.ts'

const ROOM = 100_000

function countsOf(tallies: TagTallies): readonly unknown[] {
  return [...tallies.values()].map((tally) => [tally.tag.name, tally.tag.value, ...listCodes(tally).flat()])
}

test('names and values that look alike when they are joined are different tags', () => {
  const tallies: TagTallies = new Map()
  const tags = [
    { name: 'a', value: 'b=c' },
    { name: 'a=b', value: 'c' },
    { name: 'ab', value: 'c' },
    { name: 'a', value: 'bc' },
  ]
  expect(countTags(tallies, tags, 'VALID', ROOM)).toBe(4)
  expect(countTags(tallies, tags, 'REVOKED', ROOM)).toBe(0)
  expect(countsOf(tallies)).toEqual(tags.map(({ name, value }) => [name, value, 'VALID', 1, 'REVOKED', 1]))
})

test('a tag that says other is told from what is counted as other', () => {
  const tallies: TagTallies = new Map()
  countTags(tallies, [{ name: 'other', value: '' }], 'VALID', ROOM)
  countTags(tallies, [{ name: 'plan', value: 'other' }], 'VALID', ROOM)
  countTags(tallies, [{ name: 'plan', value: 'pro' }], 'VALID', 0)
  expect(countsOf(tallies)).toEqual([
    ['other', '', 'VALID', 1],
    ['plan', 'other', 'VALID', 1],
    ['', 'other', 'VALID', 1],
  ])
})

test('known tags are counted also when there is no room for others', () => {
  const tallies: TagTallies = new Map()
  const [known, late] = [
    { name: 'n', value: '1' },
    { name: 'n', value: '2' },
  ]
  expect(countTags(tallies, [known], 'VALID', 1)).toBe(1)
  expect(countTags(tallies, [late, known, late], 'VALID', 0)).toBe(1)
  expect(countTags(tallies, [late, known], 'VALID', -1)).toBe(0)
  expect(countsOf(tallies)).toEqual([
    ['n', '1', 'VALID', 3],
    ['', 'other', 'VALID', 3],
  ])
})

test('of a service that names each of its requests no more is kept than a tenant may use in a day', () => {
  const tallies: TagTallies = new Map()
  for (let request = 0; request < 5_000; request++) {
    countTags(tallies, [{ name: 'request', value: String(request) }], 'VALID', ROOM)
  }
  expect(tallies.size).toBe(TAGS_PER_DAY_MAX + 1)
  expect([...tallies.values()].at(-1)).toMatchObject({ tag: OTHER_TAG, valid: 4_000 })
})
