import type { KeyUsage, MinuteUsage, SecretUse, TagUsage, UsageFlush } from '../ports.ts'
import type { VerdictCode } from '../verdict-code.ts'
import type { TagTallies } from './tag-tally.ts'
import { countCode, listCodes, sumCodes, type VerdictTally } from './verdict-tally.ts'

export const MINUTE_MS = 60_000

/**
 * What is counted for one key in one minute. A key can have several of the same minute, when its snapshot was made anew
 * or when several of its secrets are in use; they are added up when they are written.
 *
 * A tally stays with its snapshot and is used again after each flush: making thousands of them each second, all of which
 * live for a second, is what a generational garbage collector is worst at.
 */
export interface UsageTally extends VerdictTally {
  readonly keyId: string
  readonly tenantId: string
  /** The token that was shown. */
  readonly secretId: string
  /** Whether something is counted in it. */
  isOpen: boolean
  /**
   * The minute that is counted, in minutes since the Unix epoch, while it is open. This and `lastUsedMs` are small
   * integers: a time in milliseconds takes a place of its own in memory, which each verification would have to visit.
   */
  minuteIndex: number
  /** In milliseconds from the beginning of the minute. Negative when the clock was set back. */
  lastUsedMs: number
  lastUsedIp: string | undefined
  /** Null when no verdict had any. */
  tags: TagTallies | null
}

export function createTally(key: {
  readonly keyId: string
  readonly tenantId: string
  readonly secretId: string
}): UsageTally {
  const { keyId, tenantId, secretId } = key
  return {
    keyId,
    tenantId,
    secretId,
    isOpen: false,
    minuteIndex: 0,
    valid: 0,
    denials: null,
    lastUsedMs: 0,
    lastUsedIp: undefined,
    tags: null,
  }
}

export function openTally(tally: UsageTally, now: number): void {
  tally.isOpen = true
  tally.minuteIndex = Math.floor(now / MINUTE_MS)
}

export function emptyTally(tally: UsageTally): void {
  tally.isOpen = false
  tally.valid = 0
  tally.denials = null
  tally.lastUsedIp = undefined
  tally.tags = null
}

/** Milliseconds since the minute of a tally began. */
export function elapsedMs(tally: UsageTally, now: number): number {
  return now - startOf(tally)
}

function startOf({ minuteIndex }: UsageTally): number {
  return minuteIndex * MINUTE_MS
}

export function countVerdict(tally: UsageTally, code: VerdictCode, now: number, ip: string | undefined): void {
  countCode(tally, code)
  tally.lastUsedMs = elapsedMs(tally, now)
  // The same address again is another string, which would be kept for as long as the tally.
  if (ip !== undefined && ip !== tally.lastUsedIp) tally.lastUsedIp = ip
}

/** The counts in the form that a sink takes: one entry per key, one per key, minute and code, and what had tags. */
export function toFlush(id: string, tallies: readonly UsageTally[]): UsageFlush {
  const keys = new Map<string, Sum<KeyUsage>>()
  const minutesByKey = new Map<string, Sum<MinuteUsage>[]>()
  const secrets = new Map<string, SecretUse>()
  for (const tally of tallies) {
    const minutes = minutesByKey.get(tally.keyId)
    if (minutes === undefined) minutesByKey.set(tally.keyId, listMinutes(tally))
    else addMinutes(minutes, tally)
    addUse(keys, tally)
    const { secretId } = tally
    const lastUsedAt = startOf(tally) + tally.lastUsedMs
    if (lastUsedAt >= (secrets.get(secretId)?.lastUsedAt ?? 0)) secrets.set(secretId, { secretId, lastUsedAt })
  }
  return {
    id,
    keys: [...keys.values()],
    minutes: [...minutesByKey.values()].flat(),
    tags: tallies.flatMap(listTags),
    secrets: [...secrets.values()],
  }
}

type Sum<T> = { -readonly [Field in keyof T]: T[Field] }

function listMinutes(tally: UsageTally): Sum<MinuteUsage>[] {
  const { keyId, tenantId } = tally
  const minute = startOf(tally)
  return listCodes(tally).map(([code, count]) => ({ keyId, tenantId, minute, code, count }))
}

/** Tallies of one key are not added up here: whoever takes them has to add them to other counts in any case. */
function listTags(tally: UsageTally): TagUsage[] {
  if (tally.tags === null) return []
  const { keyId, tenantId } = tally
  const minute = startOf(tally)
  return [...tally.tags.values()].flatMap((tagged) =>
    listCodes(tagged).map(([code, count]) => ({ keyId, tenantId, minute, tag: tagged.tag, code, count })),
  )
}

/** Lists of one key are short: a few codes, and a few minutes at most. */
function addMinutes(sums: Sum<MinuteUsage>[], tally: UsageTally): void {
  for (const added of listMinutes(tally)) {
    const sum = sums.find(({ minute, code }) => minute === added.minute && code === added.code)
    if (sum === undefined) sums.push(added)
    else sum.count += added.count
  }
}

function addUse(keys: Map<string, Sum<KeyUsage>>, tally: UsageTally): void {
  const { keyId, tenantId, lastUsedIp = null } = tally
  const lastUsedAt = startOf(tally) + tally.lastUsedMs
  const requestCount = sumCodes(tally)
  const sum = keys.get(keyId)
  if (sum === undefined) {
    keys.set(keyId, { keyId, tenantId, requestCount, lastUsedAt, lastUsedIp })
    return
  }
  sum.requestCount += requestCount
  const isLater = lastUsedAt >= sum.lastUsedAt
  sum.lastUsedIp = isLater ? (lastUsedIp ?? sum.lastUsedIp) : (sum.lastUsedIp ?? lastUsedIp)
  sum.lastUsedAt = Math.max(sum.lastUsedAt, lastUsedAt)
}
