import type { Caller } from '../actors/caller.ts'
import type { Command } from '../commands/command.ts'
import type { CommandRunner } from '../commands/command-runner.ts'
import { type LeakPolicy, mergeConfig, type SystemConfig } from '../configs/effective-config.ts'
import { readTenantConfig } from '../configs/stored-config.ts'
import { isUnavailable } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { Metric } from '../http/metrics.ts'
import { hashToken, TOKEN_LENGTH_MAX, type TokenHash } from '../keys/token.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { FindFoundSecrets, FoundSecret } from './found-secret-store.ts'
import { planLeakResponse } from './leak-response.ts'
import type { Finding, FoundPlace } from './parse-leak-report.ts'
import { type RespondToLeakInput, respondToLeakCommand } from './respond-to-leak.ts'

/** What the scanner is told of each finding, in the words of its documentation. */
export interface Feedback {
  /** SHA-256 of the token, in hexadecimal. The token itself does not travel once more. */
  readonly token_hash: TokenHash
  readonly token_type: string
  readonly label: 'true_positive' | 'false_positive'
}

/**
 * Tells the scanner which tokens are ours, and does about those what the policies of their tenants say. A token that ever was
 * of a key is a true positive, whatever has become of it; all that a deleted key had is nobody's.
 *
 * Rejects with UNAVAILABLE when not all could be done by `endAt`, a moment of `performance.now()`: what was done is done, and
 * the same report again does the rest.
 */
export type HandleLeakReport = (
  findings: readonly Finding[],
  caller: Caller,
  endAt: number,
) => Promise<readonly Feedback[]>

/** Distinct tokens that were found since the start of this server, by what was done about them. */
export interface LeakCounts {
  alerted: number
  disabled: number
  revoked: number
  /** Ours, and nothing was to be done. */
  unchanged: number
  /** Nobody's. */
  unknown: number
}

export interface LeakReportsDeps {
  readonly find: FindFoundSecrets
  readonly commands: CommandRunner
  readonly systemConfig: SystemConfig
  readonly clock: Clock
  readonly logger: Pick<Logger, 'info'>
}

export interface LeakReports {
  readonly handle: HandleLeakReport
  readonly counts: Readonly<LeakCounts>
}

const COUNT_OF = { ALERT: 'alerted', DISABLE: 'disabled', REVOKE: 'revoked' } as const

export function createLeakReports(deps: LeakReportsDeps): LeakReports {
  const { find, commands, systemConfig, clock, logger } = deps
  const respond = respondToLeakCommand({ systemConfig })
  const counts: LeakCounts = { alerted: 0, disabled: 0, revoked: 0, unchanged: 0, unknown: 0 }

  /** Most reports come again; what has nothing to be done about it takes no lock. */
  function isDue({ key, secret, tenantConfig }: FoundSecret): boolean {
    const policy = mergeConfig({}, readTenantConfig(tenantConfig), systemConfig).leakPolicy.value
    return planLeakResponse({ policy, key, secret }, new Date(clock.now())) !== null
  }

  async function treat(found: FoundSecret | undefined, place: FoundPlace, caller: Caller): Promise<keyof LeakCounts> {
    if (found === undefined) return 'unknown'
    if (!isDue(found)) return 'unchanged'
    const done = await runUnlessGone(commands, respond, caller, { secretId: found.secretId, place })
    return done === null ? 'unchanged' : COUNT_OF[done]
  }

  /** Each token is a transaction of its own, so that what was done stays done when a later one fails. */
  async function treatAll(places: ReadonlyMap<TokenHash, FoundPlace>, caller: Caller, endAt: number) {
    requireTime(endAt)
    const found = await find([...places.keys()])
    const done: LeakCounts = { alerted: 0, disabled: 0, revoked: 0, unchanged: 0, unknown: 0 }
    for (const [hash, place] of places) {
      requireTime(endAt)
      const outcome = await treat(found.get(hash), place, caller)
      counts[outcome]++
      done[outcome]++
    }
    logger.info({ requestId: caller.origin.correlationId, ...done }, 'A report of leaked tokens was handled.')
    return found
  }

  return {
    counts,
    async handle(findings, caller, endAt) {
      const hashed = findings.map((finding) => ({ ...finding, hash: hashToken(finding.token) }))
      const found = await treatAll(gatherPlaces(hashed), caller, endAt).catch((error: unknown) => {
        throw isUnavailable(error) ? unavailable('The database cannot be reached right now.', error) : error
      })
      return hashed.map(({ hash, type }) => ({
        token_hash: hash,
        token_type: type,
        label: found.has(hash) ? 'true_positive' : 'false_positive',
      }))
    },
  }
}

/** The tokens that can be ours, each with the first place that has an address, or the first of all. */
function gatherPlaces(findings: readonly (Finding & { readonly hash: TokenHash })[]): Map<TokenHash, FoundPlace> {
  const places = new Map<TokenHash, FoundPlace>()
  for (const { token, hash, place } of findings) {
    if (token.length > TOKEN_LENGTH_MAX) continue
    const known = places.get(hash)
    if (known === undefined || (known.url === null && place.url !== null)) places.set(hash, place)
  }
  return places
}

/** Null also when the key was deleted since it was found. */
async function runUnlessGone(
  commands: CommandRunner,
  respond: Command<RespondToLeakInput, LeakPolicy | null>,
  caller: Caller,
  input: RespondToLeakInput,
): Promise<LeakPolicy | null> {
  try {
    return await commands.run(respond, caller, input)
  } catch (error) {
    if (error instanceof KeywardError && error.code === 'NOT_FOUND') return null
    throw error
  }
}

function requireTime(endAt: number): void {
  if (performance.now() >= endAt) throw unavailable('Not all of the report could be handled in time.')
}

function unavailable(detail: string, cause?: unknown): KeywardError {
  return new KeywardError('UNAVAILABLE', detail, { retryAfterSeconds: 5, cause })
}

export function listLeakMetrics(counts: Readonly<LeakCounts>): readonly Metric[] {
  return [
    {
      name: 'keyward_leaked_tokens_total',
      help: 'Tokens that scanners reported as found in public, by what was done about them.',
      kind: 'counter',
      label: 'outcome',
      read: () => ({ ...counts }),
    },
  ]
}
