import type { Work } from '../commands/command.ts'
import { isUniqueViolation } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { ApiKey, Prisma, PrismaClient } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { type CreditsInput, toStoredCredits } from './credit-rules.ts'
import type { Environment } from './environment.ts'
import { authorOf } from './key-author.ts'
import { hashToken, type TokenHash, tokenHashToBytes, tokenStart } from './token.ts'

export interface NewKey {
  readonly id: string
  readonly tenantId: string
  readonly name: string
  readonly environment: Environment
  readonly description: string | null
  readonly ownerId: string | null
  readonly scopes: string[]
  readonly metadata: Prisma.InputJsonObject
  readonly expiresAt: Date | null
  readonly config?: Prisma.InputJsonObject
  readonly sealedPrivateMetadata?: Uint8Array<ArrayBuffer> | null
  readonly sealedSigningSecret?: Uint8Array<ArrayBuffer>
  /** Absent for a key that spends none. */
  readonly credits?: CreditsInput
  readonly token: string
}

export interface InsertedKey extends InsertedSecret {
  readonly apiKey: ApiKey
}

export interface NewSecret {
  readonly tenantId: string
  readonly apiKeyId: string
  readonly token: string
  /** Null for a secret that waits for its first use. */
  readonly activatedAt: Date | null
  /** How long older secrets go on counting after that first use; null for a secret that does not wait. */
  readonly graceSeconds: number | null
}

export interface InsertedSecret {
  readonly tokenHash: TokenHash
  readonly start: string
}

/**
 * Writes a key, its first secret and its credits. Throws CONFLICT when the name is taken. Two statements, three with
 * credits.
 */
export async function insertKey(work: Pick<Work, 'tx' | 'now' | 'newId' | 'actor'>, key: NewKey): Promise<InsertedKey> {
  const { tx, now, actor } = work
  const author = authorOf(actor)
  const { token, credits, ...fields } = key
  const { id, tenantId, name, environment } = key
  const apiKey = await tx.apiKey
    .create({
      data: {
        ...fields,
        createdByUserId: author.userId,
        createdByKeyId: author.keyId,
        createdAt: now,
        updatedAt: now,
      },
    })
    .catch((error: unknown) => refuseTakenName(error, { name, environment }))
  if (credits !== undefined) {
    await tx.apiKeyCredits.create({ data: { ...toStoredCredits(credits, now), apiKeyId: id, tenantId } })
  }
  const secret = { tenantId, apiKeyId: id, token, activatedAt: now, graceSeconds: null }
  return { apiKey, ...(await insertSecret(work, secret)) }
}

/** Throws CONFLICT for a name that another live key of the environment has, and any other error as it is. */
export function refuseTakenName(error: unknown, key: Pick<NewKey, 'name' | 'environment'>): never {
  throw isUniqueViolation(error) ? refuseNameOf(key) : error
}

export function refuseNameOf({ name, environment }: Pick<NewKey, 'name' | 'environment'>): KeywardError {
  return new KeywardError('CONFLICT', `There is a key named \`${name}\` for ${environment} already.`, {
    issues: [{ path: ['input', 'name'], detail: 'is taken' }],
  })
}

/** Writes a secret of a key that is there. One statement. */
export async function insertSecret(
  { tx, now, newId }: Pick<Work, 'tx' | 'now' | 'newId'>,
  { token, ...fields }: NewSecret,
): Promise<InsertedSecret> {
  const start = tokenStart(token)
  if (start === null) throw new Error('A new secret needs a token of the grammar.')
  const tokenHash = hashToken(token)
  await tx.apiKeySecret.create({
    data: { id: newId(), ...fields, hash: tokenHashToBytes(tokenHash), start, createdAt: now },
  })
  return { tokenHash, start }
}

/** Whose key it is, to be asked before anything else; null for an id that is none or names no key. */
export async function findTenantIdOfKey(find: PrismaClient, publicId: string): Promise<string | null> {
  const id = parsePublicIdOf('ApiKey', publicId)
  if (id === null) return null
  const key = await find.apiKey.findUnique({ where: { id }, select: { tenantId: true } })
  return key?.tenantId ?? null
}

/**
 * The key as it is now, locked until the transaction ends, so that of two changes that come at once the second decides
 * on what the first left. Null when it was deleted meanwhile.
 */
export async function lockKey(
  tx: Prisma.TransactionClient,
  tenantId: string,
  publicId: string,
): Promise<ApiKey | null> {
  const id = parsePublicIdOf('ApiKey', publicId)
  return id === null ? null : lockKeyByUuid(tx, tenantId, id)
}

/** See `lockKey`. */
export async function lockKeyByUuid(
  tx: Prisma.TransactionClient,
  tenantId: string,
  id: string,
): Promise<ApiKey | null> {
  await tx.$queryRaw`SELECT FROM api_keys WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid FOR UPDATE`
  return tx.apiKey.findUnique({ where: { tenantId_id: { tenantId, id } } })
}

/** See `lockKey`. Throws NOT_FOUND, and CONFLICT for a key that is revoked: nothing about it changes any more. */
export async function lockLiveKey(tx: Prisma.TransactionClient, tenantId: string, publicId: string): Promise<ApiKey> {
  const key = await lockKey(tx, tenantId, publicId)
  if (key === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
  if (key.revokedAt !== null) throw new KeywardError('CONFLICT', 'The key is revoked, which is final.')
  return key
}

/** Deletes a key with its secrets, its credits and what is counted against its quotas. Two statements. */
export async function deleteKeyRow(tx: Prisma.TransactionClient, tenantId: string, id: string): Promise<void> {
  await tx.quotaCount.deleteMany({ where: { subjectId: id } })
  await tx.apiKey.delete({ where: { tenantId_id: { tenantId, id } }, select: { id: true } })
}
