/**
 * Control, format, private and unassigned characters and lone surrogates, with all others that show nothing: they hide
 * in a name or turn the text around them. The selector that makes a picture of a sign may follow a picture alone.
 */
const UNPRINTABLE =
  /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u2800]|(?!\ufe0f)\p{Default_Ignorable_Code_Point}|(?<!\p{Extended_Pictographic})\ufe0f/u

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

/** A text in its composed form (Unicode NFC): é is one character, however it was typed. */
export function normalizeName(name: string): string {
  return name.normalize('NFC')
}

/** Forms of Latin letters and digits that are meant for mathematics and for columns of Chinese text. */
const STYLED = /[\uff01-\uff5e\u{1d400}-\u{1d7ff}]/u
/** Blanks that look like the usual one and are none. */
const ODD_BLANK = /(?! )\p{Zs}/u
const WORD = /[\p{L}\p{M}]+/gu
/** Scripts whose letters are mistaken for each other. A word of one of them, next to a word of another, is nothing odd. */
const ALIKE = ['Latin', 'Cyrillic', 'Greek', 'Armenian', 'Cherokee', 'Coptic'].map(
  (script) => new RegExp(`\\p{Script=${script}}`, 'u'),
)

/**
 * Why a text cannot be the name of something; null when it can. More than `findLineFault`: what reads as another name
 * must not be one. Judged by the composed form, which is also what must be stored.
 */
export function findNameFault(name: string, charactersMax: number): string | null {
  // Looked at first: composing shortens a text to a third at most.
  if (name.length > charactersMax * 3) return `must have at most ${charactersMax} characters`
  const composed = normalizeName(name)
  const fault = findLineFault(composed, charactersMax)
  if (fault !== null) return fault
  if (ODD_BLANK.test(composed)) return 'must not hold blanks other than the usual one'
  if (STYLED.test(composed)) return 'must not hold styled or full-width forms of letters'
  for (const [word] of composed.matchAll(WORD)) {
    if (ALIKE.filter((script) => script.test(word)).length > 1) {
      return 'must not mix letters of several alphabets in one word: some look alike'
    }
  }
  return null
}
