import type { KeyUsage, MinuteUsage, SecretUse, UsageFlush } from '../ports.ts'
import type { VerdictCode } from '../verdict-code.ts'

export const MINUTE_MS = 60_000

/**
 * What is counted for one key in one minute. A key can have several of the same minute, when its snapshot was made anew
 * or when several of its secrets are in use; they are added up when they are written.
 */
export interface UsageTally {
  readonly keyId: string
  readonly tenantId: string
  /** The token that was shown. */
  readonly secretId: string
  /** First instant of the minute. */
  readonly minute: number
  /** Counts go on only while this is the recorder's own number: with it, a tally is closed together with all others. */
  readonly round: number
  /** Apart from the other codes, because it is nearly all there is to count. */
  valid: number
  denials: Map<VerdictCode, number> | null
  lastUsedAt: number
  lastUsedIp: string | undefined
}

export function openTally(
  key: { readonly keyId: string; readonly tenantId: string; readonly secretId: string },
  now: number,
  round: number,
): UsageTally {
  return {
    keyId: key.keyId,
    tenantId: key.tenantId,
    secretId: key.secretId,
    minute: now - (now % MINUTE_MS),
    round,
    valid: 0,
    denials: null,
    lastUsedAt: now,
    lastUsedIp: undefined,
  }
}

export function countVerdict(tally: UsageTally, code: VerdictCode, now: number, ip: string | undefined): void {
  if (code === 'VALID') tally.valid++
  else {
    tally.denials ??= new Map()
    tally.denials.set(code, (tally.denials.get(code) ?? 0) + 1)
  }
  tally.lastUsedAt = now
  if (ip !== undefined) tally.lastUsedIp = ip
}

/** The counts in the form that a sink takes: one entry per key, and one per key, minute and code. */
export function toFlush(id: string, tallies: readonly UsageTally[]): UsageFlush {
  const keys = new Map<string, Sum<KeyUsage>>()
  const minutesByKey = new Map<string, Sum<MinuteUsage>[]>()
  const secrets = new Map<string, SecretUse>()
  for (const tally of tallies) {
    const minutes = minutesByKey.get(tally.keyId)
    if (minutes === undefined) minutesByKey.set(tally.keyId, listMinutes(tally))
    else addMinutes(minutes, tally)
    addUse(keys, tally)
    const { secretId, lastUsedAt } = tally
    if (lastUsedAt >= (secrets.get(secretId)?.lastUsedAt ?? 0)) secrets.set(secretId, { secretId, lastUsedAt })
  }
  return { id, keys: [...keys.values()], minutes: [...minutesByKey.values()].flat(), secrets: [...secrets.values()] }
}

type Sum<T> = { -readonly [Field in keyof T]: T[Field] }

function listMinutes({ keyId, tenantId, minute, valid, denials }: UsageTally): Sum<MinuteUsage>[] {
  const minutes: Sum<MinuteUsage>[] = []
  if (valid > 0) minutes.push({ keyId, tenantId, minute, code: 'VALID', count: valid })
  if (denials === null) return minutes
  for (const [code, count] of denials) minutes.push({ keyId, tenantId, minute, code, count })
  return minutes
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
  const { keyId, tenantId, lastUsedAt, lastUsedIp = null } = tally
  const requestCount = countRequests(tally)
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

function countRequests({ valid, denials }: UsageTally): number {
  if (denials === null) return valid
  return denials.values().reduce((sum, count) => sum + count, valid)
}
