/**
 * IP rules: an allowlist and the denylists of all levels. Deny beats allow. An empty allowlist restricts nothing.
 *
 * A request without a usable address is denied as soon as there is any rule, a lone denylist included: else leaving the
 * address out would be the way around every denial.
 */

import type { ConfigSource, Effective } from '../../configs/effective-config.ts'
import { type AddressSet, compileAddressSet } from './address-set.ts'
import { formatIpAddress, type IpAddress } from './ip-address.ts'
import { parseIpRange } from './ip-range.ts'
import { levelName } from './level-name.ts'
import { type EntryIssue, readEntries } from './rule-entry.ts'

/** Per list and level. A thousand entries cost ten steps of binary search; more belong into a firewall. */
export const IP_LIST_ENTRIES_MAX = 1000

export type IpRules = {
  readonly denials: readonly IpDenial[]
  readonly allowed: AddressSet | undefined
  readonly allowedSource: ConfigSource
}

type IpDenial = {
  readonly source: ConfigSource
  readonly addresses: AddressSet
  /** An entry could not be read, so what it meant to deny is unknown. */
  readonly deniesAll: boolean
}

export type CompiledIpRules = {
  /** Undefined when nothing is restricted. */
  readonly rules: IpRules | undefined
  readonly allowIssues: readonly EntryIssue[]
  readonly denyIssues: readonly { readonly source: ConfigSource; readonly issues: readonly EntryIssue[] }[]
}

/** Compiles both lists. Fails closed on entries that cannot be read, see rule-entry.ts. */
export function compileIpRules(
  allow: Effective<readonly string[]>,
  denyParts: readonly Effective<readonly string[]>[],
): CompiledIpRules {
  const allowed = readEntries(allow.value, parseIpRange)
  const denied = denyParts.map((part) => ({ source: part.source, ...readEntries(part.value, parseIpRange) }))
  const denials = denied
    .filter((part) => part.values.length > 0 || part.issues.length > 0)
    .map((part) => ({
      source: part.source,
      addresses: compileAddressSet(part.values),
      deniesAll: part.issues.length > 0,
    }))
  const isRestricted = allow.value.length > 0 || denials.length > 0
  const rules: IpRules | undefined = isRestricted
    ? {
        denials,
        allowed: allow.value.length > 0 ? compileAddressSet(allowed.values) : undefined,
        allowedSource: allow.source,
      }
    : undefined
  return { rules, allowIssues: allowed.issues, denyIssues: denied }
}

/**
 * Why the address is denied, as a sentence, or undefined when it may pass. Names the one entry that denies, never the list.
 *
 * @param address undefined when the request named none, or none that can be read.
 */
export function findIpDenial(rules: IpRules, address: IpAddress | undefined): string | undefined {
  if (address === undefined) return 'The IP address of the request is missing or invalid, and an IP rule is set.'
  for (const denial of rules.denials) {
    const entry = denial.addresses.findCovering(address)
    if (entry !== undefined) {
      return `${formatIpAddress(address)} is denied by ${entry} in ${levelName(denial.source)} IP denylist.`
    }
    if (denial.deniesAll) return `An entry in ${levelName(denial.source)} IP denylist cannot be read, so it denies all.`
  }
  if (rules.allowed === undefined || rules.allowed.findCovering(address) !== undefined) return undefined
  return `${formatIpAddress(address)} is not in ${levelName(rules.allowedSource)} IP allowlist.`
}
