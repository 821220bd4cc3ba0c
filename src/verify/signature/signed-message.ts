import type { TargetUri } from './target-uri.ts'

/** The protected request, as far as its signature can cover it (RFC 9421 §2). The body itself never travels to us. */
export interface SignedMessage {
  /** As it was sent: methods are case-sensitive (RFC 9110 §9.1). */
  readonly method: string
  readonly target: TargetUri
  readonly fields: HeaderFields
  /** SHA-256 of the body, by whoever received it, in lower-case hex; null when that was not said. */
  readonly bodySha256: string | null
}

/** Values by name in lower case, in the order in which they came, without white space at their ends. */
export type HeaderFields = ReadonlyMap<string, readonly string[]>

/** The value of a field that may come in several lines (RFC 9110 §5.3); null when there is none. */
export function combineField(fields: HeaderFields, name: string): string | null {
  return fields.get(name)?.join(', ') ?? null
}

/** Spaces and tabs at the ends do not belong to a field's value (RFC 9110 §5.5). */
export function trimFieldValue(value: string): string {
  let from = 0
  let to = value.length
  while (from < to && isWhiteSpace(value.charCodeAt(from))) from++
  while (to > from && isWhiteSpace(value.charCodeAt(to - 1))) to--
  return value.slice(from, to)
}

function isWhiteSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}
