import { KeywardError } from '../errors/keyward-error.ts'
import { formatPublicId } from '../public-id.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { type Change, type Command, isChange, type Outcome, type Work } from './command.ts'
import { hashInput, hashRequestKey } from './idempotency.ts'
import { claimRequest, rememberResult } from './idempotency-store.ts'

/**
 * Executes a command, unless its input names an idempotency key under which it was executed before: then nothing is
 * done again, and the answer is that of the first time. See `Idempotency`. Three statements more for an input with a key.
 */
export async function executeOnce<Input, Output, Prepared>(
  envelope: Envelope,
  command: Command<Input, Output, Prepared>,
  work: Work,
  input: Input,
  prepared: Prepared,
): Promise<Outcome<Output>> {
  const { idempotency } = command
  const key = idempotency?.keyOf(input)
  if (idempotency === undefined || key == null) return command.execute(work, input, prepared)
  if (work.actor.kind === 'anonymous') throw new Error('Requests of nobody in particular cannot be told apart.')

  const { tx, now, tenantId } = work
  const requestHash = hashRequestKey(tenantId, work.actor, key)
  const request = { requestHash, inputHash: hashInput(command.name, { input }), tenantId, now }
  const remembered = await claimRequest(tx, envelope, request)
  if (remembered !== null) {
    const value = await idempotency.recall(tx, remembered)
    if (value === null)
      throw new KeywardError('CONFLICT', 'What this idempotency key was used for is not there any more.')
    return describeReplay(command.name, work, value, {
      result: formatPublicId(idempotency.typename, remembered.id),
      secretsShown: remembered.secrets !== null,
    })
  }
  const outcome = await command.execute(work, input, prepared)
  if (!isChange(outcome)) throw new Error(`${command.name} did nothing that could be remembered.`)
  await rememberResult(tx, envelope, request, idempotency.remember(outcome.value))
  return outcome
}

/** Nothing was changed, but somebody may have been shown a token again. */
function describeReplay<Output>(
  commandName: string,
  work: Work,
  value: Output,
  detail: { readonly result: string; readonly secretsShown: boolean },
): Change<Output> {
  return {
    value,
    audit: [
      {
        tenantId: work.tenantId ?? work.platformTenantId,
        action: 'command.replayed',
        outcome: 'SUCCESS',
        resource: { type: 'Command', id: commandName },
        detail,
      },
    ],
    events: [],
    invalidate: [],
  }
}
