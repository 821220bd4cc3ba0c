import type { Actor } from '../actors/actor.ts'
import type { Caller, Origin } from '../actors/caller.ts'
import type { Permission } from '../actors/permissions.ts'
import type { AuditEntry } from '../audit/audit-entry.ts'
import type { InputIssue, KeywardError } from '../errors/keyward-error.ts'
import type { DomainEvent } from '../events/event-types.ts'
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import type { RandomBytes } from '../lib/random.ts'
import type { Idempotency } from './idempotency.ts'
import type { Invalidation } from './invalidation.ts'

type AtLeastOne<T> = readonly [T, ...T[]]

/** What a command did. A change that is not audited does not compile. */
export interface Change<Output> {
  readonly value: Output
  readonly audit: AtLeastOne<AuditEntry>
  readonly events: readonly DomainEvent[]
  readonly invalidate: readonly Invalidation[]
}

/** A failure that is itself recorded: its rows are committed, then the error is thrown. */
export interface Refusal {
  readonly refuse: KeywardError
  readonly audit: AtLeastOne<AuditEntry>
  readonly events?: readonly DomainEvent[] | undefined
}

/**
 * What a command answers that changed nothing, such as a dry run. What the caller tried and may not do is recorded all the
 * same.
 */
export interface Unchanged<Output> {
  readonly unchanged: Output
  readonly audit: readonly AuditEntry[]
}

export type Outcome<Output> = Change<Output> | Refusal | Unchanged<Output>

/** What a command has at hand inside its transaction. */
export interface Work {
  /** The transaction's own client, the only one that may be used here. */
  readonly tx: Prisma.TransactionClient
  readonly now: Date
  readonly actor: Actor
  readonly origin: Origin
  readonly newId: () => string
  readonly randomBytes: RandomBytes
  /** The tenant that access was granted in; null for a command that belongs to none. */
  readonly tenantId: string | null
  /** Where is recorded what no other tenant may know, or nobody else will keep; empty until the first start is complete. */
  readonly platformTenantId: string
}

export interface TenantWork extends Work {
  readonly tenantId: string
}

/**
 * What the caller must hold. `tenantId: null` stands for a thing that is not there. `platformOnly` is for what a tenant may
 * not do to itself: the permission counts when the platform tenant gives it.
 */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'user' }
  | { readonly kind: 'system' }
  /** `orPerson`: everybody with a session, too. */
  | { readonly kind: 'platform'; readonly permission: Permission; readonly orPerson?: boolean }
  | {
      readonly kind: 'tenant'
      readonly permission: Permission
      readonly tenantId: string | null
      readonly platformOnly?: boolean
      /** A person whom the command is about, and who may do it to itself without the permission. A UUID. */
      readonly selfId?: string | null
    }

/**
 * The one way to change anything: authorize → validate → prepare → one transaction of rows, audit events and outbox
 * events → after the commit, invalidate.
 */
export interface Command<Input, Output, Prepared = undefined> {
  /** Verb and noun, as in `revoke-key`; rejected attempts are recorded under it. */
  readonly name: string
  readonly access: (input: Input, find: PrismaClient) => Access | Promise<Access>
  /** Pure. Returns every fault of the input, not the first alone. */
  readonly validate: (input: Input) => readonly InputIssue[]
  /** What is slow and may not happen inside the transaction: hashing passwords, parsing documents. */
  readonly prepare: (input: Input, find: PrismaClient, caller: Caller) => Promise<Prepared>
  readonly execute: (work: Work, input: Input, prepared: Prepared) => Promise<Outcome<Output>>
  /** For a command that goes through much; the usual bound when absent. */
  readonly transactionTimeoutMs?: number | undefined
  /** For a command that a caller can safely send twice under a key; see there. */
  readonly idempotency?: Idempotency<Input, Output> | undefined
}

export interface TenantCommandSpec<Input, Output> {
  readonly name: string
  readonly permission: Permission
  /** See `Access`. */
  readonly platformOnly?: boolean
  /** See `Access`. */
  readonly selfOf?: (input: Input) => string | null
  /** The tenant's UUID; null when there is none, which the caller is told in the words used for a foreign one. */
  readonly tenantOf: (input: Input, find: PrismaClient) => string | null | Promise<string | null>
  readonly validate?: (input: Input) => readonly InputIssue[]
  readonly execute: (work: TenantWork, input: Input) => Promise<Change<Output> | Unchanged<Output>>
  readonly transactionTimeoutMs?: number
  readonly idempotency?: Idempotency<Input, Output>
}

/** A command on what belongs to one tenant. It prepares nothing. */
export function defineTenantCommand<Input, Output>(spec: TenantCommandSpec<Input, Output>): Command<Input, Output> {
  const {
    name,
    permission,
    platformOnly = false,
    selfOf = () => null,
    tenantOf,
    validate = () => [],
    execute,
    idempotency,
    transactionTimeoutMs,
  } = spec
  return defineCommand<Input, Output>({
    name,
    validate,
    idempotency,
    transactionTimeoutMs,
    access: async (input, find) => ({
      kind: 'tenant',
      permission,
      platformOnly,
      selfId: selfOf(input),
      tenantId: await tenantOf(input, find),
    }),
    execute: ({ tenantId, ...work }, input) => {
      if (tenantId === null) throw new Error(`${name} ran outside a tenant.`)
      return execute({ ...work, tenantId }, input)
    },
  })
}

/** A command that prepares nothing. */
export function defineCommand<Input, Output>(command: Omit<Command<Input, Output>, 'prepare'>): Command<Input, Output> {
  return { ...command, prepare: async () => undefined }
}

export function isRefusal<Output>(result: Outcome<Output>): result is Refusal {
  return 'refuse' in result
}

export function isChange<Output>(result: Outcome<Output>): result is Change<Output> {
  return 'value' in result
}

/**
 * What a command does, as a part of another one's transaction and recorded with it. The outer command has answered for
 * access and input. Throws what the part refuses.
 */
export async function performChange<Input, Output>(
  command: Command<Input, Output>,
  work: Work,
  input: Input,
): Promise<Change<Output>> {
  const result = await command.execute(work, input, undefined)
  if (isRefusal(result)) throw result.refuse
  if (!isChange(result)) throw new Error(`${command.name} had nothing to change.`)
  return result
}
