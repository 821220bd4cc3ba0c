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

/** Blanks that look like the usual one and are none, and two in a row, which look like one in most places. */
const ODD_BLANK = /(?! )\p{Zs}/u
const TWO_BLANKS = / {2}/
/** The hyphens, the figure dash and the minus, which look like the `-` of the keyboard. Longer dashes do not. */
const ODD_HYPHEN = /[\u02d7\u2010-\u2012\u2043\u2212]/u
/**
 * Characters that are written like this by everybody, although Unicode has a compatible form of more or other letters
 * for them: Thai and Lao am, Armenian yiwn, and the sign of micro, whose form is a Greek letter.
 */
const ORDINARY = /[\u00b5\u0587\u0e33\u0eb3]/gu
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
  if (TWO_BLANKS.test(composed)) return 'must not hold two blanks in a row'
  if (ODD_HYPHEN.test(composed)) return 'must not hold hyphens other than the usual one'
  const compatible = findCompatibleForm(composed)
  if (compatible !== null) {
    return `must not hold styled or compatible forms of characters: write \`${compatible.plain}\` for \`${compatible.odd}\``
  }
  for (const [word] of composed.matchAll(WORD)) {
    if (ALIKE.filter((script) => script.test(word)).length > 1) {
      return 'must not mix letters of several alphabets in one word: some look alike'
    }
  }
  return null
}

/**
 * The first character that is another form of plainer ones (Unicode NFKC): full-width and mathematical letters, ligatures,
 * Roman numbers, superscripts. What it stands for is as good a name and reads the same.
 */
function findCompatibleForm(composed: string): { readonly odd: string; readonly plain: string } | null {
  // In the place of what is not judged stands a letter that composes with no mark after it.
  const judged = composed.replace(ORDINARY, 'x')
  if (judged.normalize('NFKC') === judged) return null
  const odd = [...judged].find((character) => character.normalize('NFKC') !== character) ?? judged
  return { odd, plain: odd.normalize('NFKC') }
}
