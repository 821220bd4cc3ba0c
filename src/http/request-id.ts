import type { RandomBytes } from '../lib/random.ts'

/**
 * Names requests, so that an answer, a log line and an audit event can be laid side by side. A caller that sends a proper
 * `X-Request-Id` gets it back; any other request gets a name of ours.
 *
 * Ids are unique, not secret: a random part for this process, then a count. They need no escaping in JSON or headers.
 */
export type NameRequest = (given: string | string[] | undefined) => string

const REQUEST_ID_PATTERN = /^[A-Za-z0-9._-]{1,64}$/
/** 64 bits: two processes of one installation share a beginning practically never. */
const PROCESS_BYTES = 8

export function createRequestNamer(randomBytes: RandomBytes): NameRequest {
  const processPart = Buffer.from(randomBytes(PROCESS_BYTES)).toString('base64url')
  let count = 0
  return (given) => {
    if (typeof given === 'string' && REQUEST_ID_PATTERN.test(given)) return given
    count++
    return `${processPart}-${count}`
  }
}
