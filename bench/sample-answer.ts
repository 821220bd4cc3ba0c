import { ASKED_SCOPE, benchRequest, benchToken, VERIFIER_INDEX } from './keys.ts'
import type { BareAnswer } from './servers/bare-server.ts'

const ADDED_BY_NODE = new Set(['date', 'connection', 'keep-alive'])

/** What a server answers to a valid key, for the bare server to repeat. Fails when the key is not valid there. */
export async function sampleAnswer(port: number, index = 12): Promise<BareAnswer> {
  const response = await fetch(`http://127.0.0.1:${port}/verify`, {
    method: 'POST',
    headers: { authorization: `Bearer ${benchToken(VERIFIER_INDEX)}`, 'content-type': 'application/json' },
    body: JSON.stringify(benchRequest(index)),
  })
  const body = await response.text()
  if (!body.startsWith('{"valid":true')) throw new Error(`Not VALID for the scope ${ASKED_SCOPE}: ${body}`)
  const headers = [...response.headers].filter(([name]) => !ADDED_BY_NODE.has(name)).flat()
  return { headers, body }
}
