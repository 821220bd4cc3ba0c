import { expect } from 'vitest'
import type { TestApp } from './app.ts'
import { sendVerify } from './client.ts'

export interface VerifiedWhile {
  readonly tookMs: number
  /** When verdicts came, in milliseconds from the beginning. */
  readonly answeredAtMs: readonly number[]
}

/** Verifies a key over and over for as long as some work takes. Fails when a verdict is not VALID. */
export async function verifyWhile(
  app: Pick<TestApp, 'baseUrl' | 'firstStart'>,
  token: string,
  work: Promise<unknown>,
): Promise<VerifiedWhile> {
  const startedAt = performance.now()
  const answeredAtMs: number[] = []
  let isDone = false
  const finish = () => {
    isDone = true
  }
  work.then(finish, finish)
  while (!isDone) {
    expect((await sendVerify(app, { key: token })).body.code).toBe('VALID')
    answeredAtMs.push(performance.now() - startedAt)
  }
  return { tookMs: performance.now() - startedAt, answeredAtMs }
}

const PARTS = 5

/**
 * Fails unless verdicts came in each fifth of the time. How long one takes says as much about the machine as about the server;
 * work that keeps the server from answering leaves parts of its own time empty, on every machine.
 */
export function expectNoStandstill(answeredAtMs: readonly number[], tookMs: number): void {
  const counts = Array.from({ length: PARTS }, (_, part) => {
    const from = (part * tookMs) / PARTS
    return answeredAtMs.filter((at) => at > from && at <= from + tookMs / PARTS).length
  })
  expect(Math.min(...counts), `verdicts in each fifth of ${Math.round(tookMs)} ms: ${counts}`).toBeGreaterThan(0)
}
