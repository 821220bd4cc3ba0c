import { KeywardError } from '../../errors/keyward-error.ts'
import { withDeadline } from '../../lib/deadline.ts'
import type { Logger } from '../../lib/logger.ts'
import { createSingleFlight } from '../../lib/single-flight.ts'
import type { KeySnapshot } from '../cache/snapshot.ts'
import type { SecretActivator } from '../ports.ts'

export type NoteFirstUse = (key: KeySnapshot) => Promise<void>

const DEADLINE_MS = 2_000

/**
 * Notes the first use of a token that a rotation made, from which on the grace of the old ones runs. All who use it at
 * the same time wait for one note. When it cannot be written the token is admitted all the same: its holder did nothing
 * wrong, and the next use tries again.
 */
export function createNoteFirstUse(activator: SecretActivator, logger: Pick<Logger, 'warn'>): NoteFirstUse {
  const flights = createSingleFlight<string, void>()
  return async ({ secretId, keyId }) => {
    const late = () => new KeywardError('UNAVAILABLE', 'Noting the first use of a token took too long.')
    try {
      await flights.run(secretId, () => withDeadline(activator.activate({ secretId, keyId }), DEADLINE_MS, late))
    } catch (error) {
      logger.warn({ err: error, keyId }, 'The first use of a token could not be noted.')
    }
  }
}
