import { isUtf8 } from 'node:buffer'
import { serveThread, yieldProcessor } from '../lib/thread.ts'
import type { ParsedBody, SentText, SharedBytes } from './large-body.ts'
import { LONG_TEXT_CHARACTERS_MIN } from './limits.ts'

/** Levels of the variables that are searched: `input.document` has two. A deeper text stays in the answer. */
const SEARCHED_LEVELS = 3
/** More than any input has. An answer is copied level by level on the stack, which has no room for a million. */
const LEVELS_MAX = 1_000

yieldProcessor()
serveThread<readonly Uint8Array[], ParsedBody>((chunks) => {
  const body = Buffer.concat(chunks)
  if (!isUtf8(body)) return { fault: 'The body is not valid UTF-8.' }
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    // The parser's own message quotes the body, and bodies hold keys.
    return { fault: body.byteLength === 0 ? 'The body is empty.' : 'The body cannot be parsed as JSON.' }
  }
  if (isDeeperThan(LEVELS_MAX, value)) return { fault: 'The body is nested too deeply.' }
  return { value, longTexts: isObject(value) ? takeLongTexts(value.variables, []) : [] }
})

/** Goes level by level, and so takes no more of the stack for a deep value. */
function isDeeperThan(levelsMax: number, value: unknown): boolean {
  let level = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levelsMax) return true
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []))
  }
  return false
}

/** Leaves an empty text in the place of each one. */
function takeLongTexts(value: unknown, path: readonly string[]): SentText[] {
  if (!isObject(value) || path.length >= SEARCHED_LEVELS) return []
  return Object.entries(value).flatMap(([name, member]) => {
    // Assigning to it would not set the member.
    if (name === '__proto__') return []
    const at = [...path, name]
    if (typeof member !== 'string') return takeLongTexts(member, at)
    // Half a character would not survive being bytes.
    if (member.length < LONG_TEXT_CHARACTERS_MIN || !member.isWellFormed()) return []
    value[name] = ''
    return [{ path: at, characters: member.length, bytes: encode(member) }]
  })
}

function encode(text: string): SharedBytes {
  const memory = new SharedArrayBuffer(Buffer.byteLength(text))
  Buffer.from(memory).write(text, 'utf8')
  return new Uint8Array(memory)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
