import type { InputIssue } from '../errors/keyward-error.ts'
import { isTokenPrefix } from '../keys/token.ts'
import { createZoneCalendar } from '../lib/calendar.ts'
import { findNameFault } from '../lib/text-fault.ts'

/** Prefix of the tokens of the platform tenant, which no other tenant may have. */
export const PLATFORM_KEY_PREFIX = 'kw'

const SLUG_PATTERN = /^[a-z0-9]+(-[a-z0-9]+)*$/
const SLUG_CHARACTERS_MAX = 63
const NAME_CHARACTERS_MAX = 100

/** Whether a tenant can have the slug. */
export function isSlug(text: string): boolean {
  return text.length <= SLUG_CHARACTERS_MAX && SLUG_PATTERN.test(text)
}

export interface TenantInput {
  readonly name: string
  readonly slug: string
  readonly keyPrefix: string
  readonly timeZone?: string | null | undefined
  readonly idempotencyKey?: string | null | undefined
}

/** Every fault of a new tenant's description. */
export function validateTenant(input: TenantInput): readonly InputIssue[] {
  const issues = [...findDescriptionIssues(input)]
  if (!isSlug(input.slug)) {
    const detail = `must be lower-case letters and digits in words joined by single hyphens, at most ${SLUG_CHARACTERS_MAX} characters`
    issues.push({ path: ['input', 'slug'], detail })
  }
  if (!isTokenPrefix(input.keyPrefix)) {
    const detail = 'must be 2 to 16 lower-case letters and digits, a letter first'
    issues.push({ path: ['input', 'keyPrefix'], detail })
  } else if (input.keyPrefix === PLATFORM_KEY_PREFIX) {
    issues.push({ path: ['input', 'keyPrefix'], detail: `\`${PLATFORM_KEY_PREFIX}\` is the platform's own` })
  }
  return issues
}

export interface TenantChanges {
  readonly name?: string | null | undefined
  readonly timeZone?: string | null | undefined
}

/** Every fault of a change. Absent is unchanged; nothing of it can be cleared. */
export function validateTenantChanges(changes: TenantChanges): readonly InputIssue[] {
  const cleared = (['name', 'timeZone'] as const).filter((field) => changes[field] === null)
  return [
    ...cleared.map((field) => ({ path: ['input', field], detail: 'cannot be cleared' })),
    ...findDescriptionIssues(changes),
  ]
}

function findDescriptionIssues({ name, timeZone }: TenantChanges): readonly InputIssue[] {
  const issues: InputIssue[] = []
  const nameFault = name == null ? null : findNameFault(name, NAME_CHARACTERS_MAX)
  if (nameFault !== null) issues.push({ path: ['input', 'name'], detail: nameFault })
  if (timeZone != null && !isTimeZone(timeZone)) {
    issues.push({ path: ['input', 'timeZone'], detail: 'must be an IANA time zone such as `Europe/Berlin`' })
  }
  return issues
}

/**
 * Asked of the calendar that days and months will be computed by: `Intl` also takes names such as JST, with which no key
 * of the tenant could be verified. Offsets are no zones, they ignore daylight saving.
 */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    createZoneCalendar(name)
    return true
  } catch {
    return false
  }
}
