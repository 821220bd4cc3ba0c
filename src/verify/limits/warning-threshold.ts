/**
 * Of how many used units of a limit a warning is due, 0 for none. Rounded up, so that the percentage was reached whenever
 * the units were. A limit of 0 never was open, and nothing is near its end.
 */
export function computeWarningThreshold(limit: number, warningPercent: number): number {
  return Math.ceil((limit * warningPercent) / 100)
}
