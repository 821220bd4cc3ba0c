import type { VerdictCode } from '../verdict-code.ts'
import type { Tag } from '../verify-request.ts'
import { countCode, type VerdictTally } from './verdict-tally.ts'

/** Verdicts that carried one tag. */
export interface TagTally extends VerdictTally {
  readonly tag: Tag
}

/** By name and value. */
export type TagTallies = Map<string, TagTally>

/** How many different tags a tenant may use in a day; what comes after them is counted as `OTHER_TAG`. */
export const TAGS_PER_DAY_MAX = 1_000

/** What tags beyond a bound are counted as. No tag of a verifier looks like it: theirs have names. */
export const OTHER_TAG: Tag = { name: '', value: 'other' }

/** A control character, which neither names nor values have. */
const SEPARATOR = '\u0000'

/**
 * Counts a verdict under each of its tags. Tags that are not in `tallies` yet are opened while there is room, and counted as
 * `OTHER_TAG` when there is none. More than a tenant may use in a day are never kept: of a service that names each of
 * its requests, memory holds no more than the database will.
 *
 * @param room how many tags may be opened
 * @returns how many were opened; one more than there was room for, when `OTHER_TAG` is among them
 */
export function countTags(tallies: TagTallies, tags: readonly Tag[], code: VerdictCode, room: number): number {
  const sizeBefore = tallies.size
  const sizeMax = Math.min(TAGS_PER_DAY_MAX, sizeBefore + room)
  for (const tag of tags) countCode(findTally(tallies, tag) ?? openTally(tallies, tag, sizeMax), code)
  return tallies.size - sizeBefore
}

function openTally(tallies: TagTallies, tag: Tag, sizeMax: number): TagTally {
  if (tallies.size < sizeMax) return addTally(tallies, tag)
  return findTally(tallies, OTHER_TAG) ?? addTally(tallies, OTHER_TAG)
}

function findTally(tallies: TagTallies, tag: Tag): TagTally | undefined {
  return tallies.get(toName(tag))
}

function addTally(tallies: TagTallies, tag: Tag): TagTally {
  const tally = { tag, valid: 0, denials: null }
  tallies.set(toName(tag), tally)
  return tally
}

function toName({ name, value }: Tag): string {
  return name + SEPARATOR + value
}
