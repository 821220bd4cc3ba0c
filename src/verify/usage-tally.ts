import type { KeyUsage, MinuteUsage, UsageFlush } from './ports.ts'
import type { VerdictCode } from './verdict.ts'

export const MINUTE_MS = 60_000

/** What is counted for one key in one minute. */
export interface UsageTally {
  readonly keyId: string
  readonly tenantId: string
  /** First instant of the minute. */
  readonly minute: number
  /** Apart from the other codes, because it is nearly all there is to count. */
  valid: number
  denials: Map<VerdictCode, number> | null
  lastUsedAt: number
  lastUsedIp: string | undefined
  /** The same key in an earlier minute, not flushed yet. */
  readonly previous: UsageTally | undefined
}

export function openTally(
  key: { readonly keyId: string; readonly tenantId: string },
  now: number,
  previous: UsageTally | undefined,
): UsageTally {
  return {
    keyId: key.keyId,
    tenantId: key.tenantId,
    minute: now - (now % MINUTE_MS),
    valid: 0,
    denials: null,
    lastUsedAt: now,
    lastUsedIp: undefined,
    previous,
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

/** A tally and those before it, oldest first. */
export function listTallies(newest: UsageTally): UsageTally[] {
  const tallies: UsageTally[] = []
  for (let tally: UsageTally | undefined = newest; tally !== undefined; tally = tally.previous) tallies.push(tally)
  return tallies.reverse()
}

/** The counts in the form that a sink takes. Tallies of one key stand together, oldest first. */
export function toFlush(id: string, tallies: readonly UsageTally[]): UsageFlush {
  const keys: KeyUsage[] = []
  const minutes: MinuteUsage[] = []
  for (const tally of tallies) {
    const { keyId, tenantId, minute } = tally
    let requestCount = 0
    for (const [code, count] of listCounts(tally)) {
      minutes.push({ keyId, tenantId, minute, code, count })
      requestCount += count
    }
    const earlier = keys.at(-1)?.keyId === keyId ? keys.pop() : undefined
    keys.push({
      keyId,
      tenantId,
      requestCount: requestCount + (earlier?.requestCount ?? 0),
      lastUsedAt: tally.lastUsedAt,
      lastUsedIp: tally.lastUsedIp ?? earlier?.lastUsedIp ?? null,
    })
  }
  return { id, keys, minutes }
}

function listCounts({ valid, denials }: UsageTally): [VerdictCode, number][] {
  const counts: [VerdictCode, number][] = denials === null ? [] : [...denials]
  if (valid > 0) counts.push(['VALID', valid])
  return counts
}
