import { type LimitValues, prepareLimits } from '../../../src/verify/limits/limit-plan.ts'
import type { LimitRule } from '../../../src/verify/limits/limiter.ts'

/** The one rule that a key with these values has. */
export function makeRule(values: LimitValues, zone = 'UTC'): LimitRule {
  const rule = prepareLimits({ key: values, tenant: {}, zone, hasCredits: false })?.rules[0]
  if (rule === undefined) throw new Error('The values limit nothing.')
  return rule
}
