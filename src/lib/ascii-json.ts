/**
 * JSON in ASCII alone: other characters are written as `\uXXXX`, which means the same to every parser. The length of such a text is its
 * length in bytes, whatever was put into it.
 */
export function stringifyAscii(value: unknown): string {
  const text = JSON.stringify(value)
  return NON_ASCII_PATTERN.test(text) ? text.replaceAll(NON_ASCII_CHARACTERS, escapeCharacter) : text
}

const NON_ASCII_PATTERN = /[\u0080-\uffff]/
const NON_ASCII_CHARACTERS = /[\u0080-\uffff]/g

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
