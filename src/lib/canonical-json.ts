/**
 * The one spelling of a JSON value, in whatever order its members were put together (RFC 8785, JSON Canonicalization
 * Scheme): members sorted by UTF-16 code units, no blanks, numbers and strings as ECMAScript writes them. What
 * JSON.stringify leaves out is left out. The caller bounds the depth.
 */
export function toCanonicalJson(value: object): string {
  // Written once as usual, so that dates and whatever else knows its own JSON form are plain values below.
  return spell(JSON.parse(JSON.stringify(value)))
}

function spell(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(spell).join(',')}]`
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${spell(member)}`).join(',')}}`
}
