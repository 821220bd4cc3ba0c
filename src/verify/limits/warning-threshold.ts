/**
 * Of how many used units of a limit a warning is due, 0 for none. Rounded up, so that the percentage was reached whenever
 * the units were. A limit of 0 never was open, and nothing is near its end.
 */
export function computeWarningThreshold(limit: number, warningPercent: number): number {
  return Math.ceil((limit * warningPercent) / 100)
}

/**
 * How much must be used for a denial to say that the end is reached. Lower, and one large request tells it while small ones
 * go through for long, and then nobody is told of the end itself; higher, and costs that never meet the limit tell nothing.
 */
export const REFUSAL_COUNTS_FROM_PERCENT = 80

/**
 * Whether a denial for want of room makes the limit reached, though units of it are left. A limit of 0 is reached by any. A
 * cost above the limit itself says something about the request, and nothing about what is used.
 */
export function isReachedByRefusal(limit: number, used: number, units: number): boolean {
  if (limit === 0) return true
  return units <= limit && used >= computeWarningThreshold(limit, REFUSAL_COUNTS_FROM_PERCENT)
}
