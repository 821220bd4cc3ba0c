/**
 * How lists of rules are read: entry by entry, each either understood or refused with a reason that names its place.
 *
 * Lists are checked when they are set, so a refused entry in a stored list means that the data were changed elsewhere or that
 * a later version knows less (a time zone that left the database, say). The compiled rules then fail closed: an
 * entry that cannot be read admits nobody, and a denial that cannot be read denies all.
 */

export type RuleEntry<Value> = { readonly ok: true; readonly value: Value } | RefusedEntry

export type RefusedEntry = {
  readonly ok: false
  /** A sentence that says why, to be shown beside the entry. */
  readonly detail: string
  /** Which part of an entry with parts is meant. */
  readonly field?: string
}

export type EntryIssue = { readonly index: number; readonly field?: string; readonly detail: string }

export type RuleEntries<Value> = { readonly values: readonly Value[]; readonly issues: readonly EntryIssue[] }

export function acceptEntry<Value>(value: Value): RuleEntry<Value> {
  return { ok: true, value }
}

export function refuseEntry(detail: string, field?: string): RefusedEntry {
  return field === undefined ? { ok: false, detail } : { ok: false, detail, field }
}

/** Reads a list: what was understood, in order, and an issue for each entry that was not. */
export function readEntries<Entry, Value>(
  entries: readonly Entry[],
  parseEntry: (entry: Entry) => RuleEntry<Value>,
): RuleEntries<Value> {
  const values: Value[] = []
  const issues: EntryIssue[] = []
  for (const [index, entry] of entries.entries()) {
    const parsed = parseEntry(entry)
    if (parsed.ok) {
      values.push(parsed.value)
    } else {
      const { ok, ...issue } = parsed
      issues.push({ index, ...issue })
    }
  }
  return { values, issues }
}
