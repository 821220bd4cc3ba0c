/** Control, format and unassigned characters and lone surrogates: they hide in a name or turn the text around them. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]/u

/** Why a text cannot be shown on one line as a name; null when it can. */
export function findLineFault(text: string, charactersMax: number): string | null {
  if (text.length === 0) return 'must not be empty'
  if (text.length > charactersMax) return `must have at most ${charactersMax} characters`
  if (text.trim() !== text) return 'must not begin or end with a blank'
  if (UNPRINTABLE.test(text)) return 'must not hold control or invisible characters'
  return null
}

/** Why a text cannot be kept as free text of several lines; null when it can. An empty one can. */
export function findProseFault(text: string, charactersMax: number): string | null {
  if (text.length > charactersMax) return `must have at most ${charactersMax} characters`
  if (!text.isWellFormed() || text.includes('\u0000')) return 'must not hold NUL characters or halves of characters'
  return null
}
