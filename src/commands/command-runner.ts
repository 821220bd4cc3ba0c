import { type Actor, authorize, belongsTo, holdsPlatformPermission } from '../actors/actor.ts'
import type { Caller } from '../actors/caller.ts'
import type { AuditEntry } from '../audit/audit-entry.ts'
import { insertAuditEvents } from '../audit/audit-store.ts'
import { isGone } from '../db/database-failures.ts'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import { insertOutboxEvents } from '../events/outbox.ts'
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { RandomBytes } from '../lib/random.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { type Access, type Command, isChange, isRefusal } from './command.ts'
import { executeOnce } from './execute-once.ts'
import { findIdempotencyKeyIssues } from './idempotency.ts'
import { formatInvalidations, INVALIDATION_CHANNEL, type Invalidation } from './invalidation.ts'

export type RunInTransaction = <T>(
  work: (tx: Prisma.TransactionClient) => Promise<T>,
  options?: { readonly timeoutMs?: number },
) => Promise<T>

export interface CommandRunnerDeps {
  readonly prisma: PrismaClient
  readonly runInTransaction: RunInTransaction
  readonly clock: Clock
  readonly newId: () => string
  readonly randomBytes: RandomBytes
  /** Seals what is remembered of requests that can come again. */
  readonly envelope: Envelope
  /** Where attempts are recorded whose tenant must not be named; absent only before the first start is complete. */
  readonly platformTenantId: () => string
  /** This server among those on the database. */
  readonly nodeId: string
  readonly invalidate: (invalidation: Invalidation) => void
}

export interface CommandRunner {
  run<Input, Output, Prepared>(command: Command<Input, Output, Prepared>, caller: Caller, input: Input): Promise<Output>
}

const NOT_FOUND_DETAIL = 'There is nothing under this id.'

/** Runs commands. There is no other way from the schema to a write. */
export function createCommandRunner(deps: CommandRunnerDeps): CommandRunner {
  async function record(
    tx: Prisma.TransactionClient,
    caller: Caller,
    entries: readonly AuditEntry[],
    now: Date,
  ): Promise<void> {
    await insertAuditEvents(tx, caller, entries, now, deps.newId)
  }

  /** Records the attempt on its own, since there is no change to record it with, then throws. */
  async function reject(commandName: string, caller: Caller, access: Access, error: KeywardError): Promise<never> {
    const tenantId =
      error.code === 'FORBIDDEN' && access.kind === 'tenant' && access.tenantId !== null
        ? access.tenantId
        : deps.platformTenantId()
    const entry: AuditEntry = {
      tenantId,
      action: 'authorization.rejected',
      outcome: 'DENIED',
      resource: { type: 'Command', id: commandName },
      detail: { code: error.code, permission: 'permission' in access ? access.permission : null },
    }
    await deps.runInTransaction((tx) => record(tx, caller, [entry], new Date(deps.clock.now())))
    throw error
  }

  async function requireAccess(commandName: string, caller: Caller, access: Access): Promise<void> {
    const error = findAccessError(caller, access)
    if (error === null) return
    // Nobody is known who could be held to account, and a log that strangers can fill is a way to attack it.
    if (error.code === 'UNAUTHENTICATED') throw error
    await reject(commandName, caller, access, error)
  }

  return {
    async run(command, caller, input) {
      const access = await command.access(input, deps.prisma)
      await requireAccess(command.name, caller, access)

      const issues = [...command.validate(input), ...findIdempotencyKeyIssues(command.idempotency?.keyOf(input))]
      if (issues.length > 0) throw validationFailed(issues)
      const prepared = await command.prepare(input, deps.prisma, caller)

      let invalidations: readonly Invalidation[] = []
      const result = await deps
        .runInTransaction(
          async (tx) => {
            const now = new Date(deps.clock.now())
            const { newId, randomBytes } = deps
            const tenantId = access.kind === 'tenant' ? access.tenantId : null
            const platformTenantId = deps.platformTenantId()
            const work = { tx, now, ...caller, newId, randomBytes, tenantId, platformTenantId }
            const outcome = await executeOnce(deps.envelope, command, work, input, prepared)
            await record(tx, caller, outcome.audit, now)
            const events = 'events' in outcome ? (outcome.events ?? []) : []
            await insertOutboxEvents(tx, events, caller.origin.correlationId, now, deps.newId)
            if (!isChange(outcome)) return outcome
            await notifyServers(tx, deps.nodeId, outcome.invalidate)
            invalidations = outcome.invalidate
            return outcome
          },
          { ...(command.transactionTimeoutMs && { timeoutMs: command.transactionTimeoutMs }) },
        )
        // What may not be granted is sometimes known only once the rows are read; the attempt is recorded all the same.
        .catch((error: unknown) => {
          if (error instanceof KeywardError && error.code === 'FORBIDDEN')
            return reject(command.name, caller, access, error)
          // What was there when access was granted was deleted at the same time.
          if (isGone(error)) throw new KeywardError('NOT_FOUND', NOT_FOUND_DETAIL, { cause: error })
          throw error
        })
        // Also when it failed: a commit whose answer was lost may have happened, and dropping too much does no harm.
        .finally(() => {
          for (const invalidation of invalidations) deps.invalidate(invalidation)
        })

      if (isRefusal(result)) throw result.refuse
      return isChange(result) ? result.value : result.unchanged
    },
  }
}

/** Tells the other servers on this database, with the commit. At most one statement. */
async function notifyServers(
  tx: Prisma.TransactionClient,
  nodeId: string,
  changes: readonly Invalidation[],
): Promise<void> {
  if (changes.length === 0) return
  const messages = [...formatInvalidations(nodeId, changes)]
  await tx.$executeRaw`SELECT pg_notify(${INVALIDATION_CHANNEL}, message) FROM unnest(${messages}::text[]) AS message`
}

/** What keeps the caller from what the command needs. Being told that a tenant exists is already something. */
function findAccessError({ actor }: Caller, access: Access): KeywardError | null {
  if (access.kind === 'public') return null
  if (actor.kind === 'anonymous') {
    return new KeywardError(
      'UNAUTHENTICATED',
      'Log in with `sessionCreate`, then send `Authorization: Bearer <accessToken>`.',
    )
  }
  switch (access.kind) {
    case 'user':
      return actor.kind === 'user'
        ? null
        : new KeywardError('FORBIDDEN', 'Only a person can do this; log in with `sessionCreate`.')
    case 'system':
      return actor.kind === 'system' ? null : new KeywardError('FORBIDDEN', 'Only Keyward itself does this.')
    case 'platform':
      if (access.orPerson === true && actor.kind === 'user') return null
      return holdsPlatformPermission(actor, access.permission) ? null : forbidden(access.permission)
    case 'tenant': {
      const authorization = access.tenantId === null ? 'hidden' : authorize(actor, access.permission, access.tenantId)
      const holds = !access.platformOnly || holdsPlatformPermission(actor, access.permission)
      if (authorization === 'allowed' && holds) return null
      if (isMemberItself(actor, access)) return null
      return authorization === 'hidden' ? new KeywardError('NOT_FOUND', NOT_FOUND_DETAIL) : forbidden(access.permission)
    }
  }
}

function isMemberItself(actor: Actor, { tenantId, selfId }: Access & { readonly kind: 'tenant' }): boolean {
  return actor.kind === 'user' && actor.userId === selfId && tenantId !== null && belongsTo(actor, tenantId)
}

function forbidden(permission: string): KeywardError {
  return new KeywardError('FORBIDDEN', `This needs the permission \`${permission}\`.`)
}
