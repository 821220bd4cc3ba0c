import type { VerdictCode } from '../verdict-code.ts'

/** How often each code was answered. Most tallies hold nothing but `valid`. */
export interface VerdictTally {
  /** Apart from the other codes, because it is nearly all there is to count. */
  valid: number
  denials: Map<VerdictCode, number> | null
}

export function countCode(tally: VerdictTally, code: VerdictCode): void {
  if (code === 'VALID') tally.valid++
  else {
    tally.denials ??= new Map()
    tally.denials.set(code, (tally.denials.get(code) ?? 0) + 1)
  }
}

/** The codes that were answered, with their counts. */
export function listCodes({ valid, denials }: VerdictTally): readonly (readonly [VerdictCode, number])[] {
  const codes: [VerdictCode, number][] = valid > 0 ? [['VALID', valid]] : []
  if (denials !== null) codes.push(...denials)
  return codes
}

export function sumCodes({ valid, denials }: VerdictTally): number {
  if (denials === null) return valid
  return denials.values().reduce((sum, count) => sum + count, valid)
}
