import type { Caller } from '../actors/caller.ts'
import type { Command } from '../commands/command.ts'
import type { SystemConfig } from '../configs/effective-config.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import type { KeyCommands } from '../keys/key-commands.ts'
import type { JsonObject } from '../keys/key-rules.ts'
import type { Clock } from '../lib/clock.ts'
import type { OpenApiCommands } from '../openapi/openapi-commands.ts'
import type { TenantCommands } from '../tenants/tenant-commands.ts'
import type { UserCommands } from '../users/user-commands.ts'
import type { LongText } from './long-texts.ts'

/** What a resolver has at hand. It reads through finders that start from a tenant, and writes through commands alone. */
export interface GraphQLContext {
  readonly caller: Caller
  /** Who was shown in this request to be asking, beside the caller: a login has no caller yet, and tells of a person. */
  readonly provenUserIds: Set<string>
  /** What commands of this request returned, by UUID: whoever may change a thing may be shown what became of it. */
  readonly changedIds: ReadonlySet<string>
  /** Texts of the variables that something else stands for. */
  readonly longTexts: readonly LongText[]
  readonly clock: Clock
  readonly prisma: PrismaClient
  readonly userCommands: UserCommands
  readonly tenantCommands: TenantCommands
  readonly keyCommands: KeyCommands
  readonly openApi: OpenApiCommands
  readonly systemConfig: SystemConfig
  /** What is sealed of a key's private metadata, in clear. Takes a UUID. */
  readonly openPrivateMetadata: (apiKeyId: string, sealed: Uint8Array | null) => JsonObject
  /** Credits of a key that this server has leased and not spent: the database does not count them. Takes a UUID. */
  readonly leasedCredits: (apiKeyId: string) => number
  /** Runs a command for the caller. Failures that a caller can expect become members of the field's result union. */
  execute<Input, Output, Prepared>(command: Command<Input, Output, Prepared>, input: Input): Promise<Output>
}
