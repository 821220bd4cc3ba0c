import { isUtf8 } from 'node:buffer'
import { serveThread, yieldProcessor } from '../lib/thread.ts'
import type { ParsedBody, SentText, SharedBytes } from './large-body.ts'

/** Characters from which on a text is no part of the answer, which is copied in one go. */
const LONG_TEXT_CHARACTERS_MIN = 256 * 1024
/** Levels of the body that are searched: `variables.input.document` has three. A deeper text stays in the answer. */
const SEARCHED_LEVELS = 4
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
  return { value, longTexts: takeLongTexts(value, []) }
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
    if (member.length < LONG_TEXT_CHARACTERS_MIN) return []
    value[name] = ''
    return [{ path: at, bytes: encode(member, 'utf8'), units: encode(member, 'utf16le') }]
  })
}

function encode(text: string, encoding: BufferEncoding): SharedBytes {
  const memory = new SharedArrayBuffer(Buffer.byteLength(text, encoding))
  Buffer.from(memory).write(text, encoding)
  return new Uint8Array(memory)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
