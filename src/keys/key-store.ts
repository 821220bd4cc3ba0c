import type { Work } from '../commands/command.ts'
import { isUniqueViolation } from '../db/database-failures.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { ApiKey, Prisma, PrismaClient } from '../generated/prisma/client.ts'
import { parsePublicIdOf } from '../public-id.ts'
import type { Environment } from './environment.ts'
import { hashToken, type TokenHash, tokenHashToBytes, tokenStart } from './token.ts'

export interface NewKey {
  readonly tenantId: string
  readonly name: string
  readonly environment: Environment
  readonly description: string | null
  readonly ownerId: string | null
  readonly scopes: string[]
  readonly metadata: Prisma.InputJsonObject
  readonly expiresAt: Date | null
  readonly token: string
}

export interface InsertedKey {
  readonly apiKey: ApiKey
  readonly tokenHash: TokenHash
  readonly start: string
}

/** Writes a key and its first secret. Throws CONFLICT when the name is taken. Two statements. */
export async function insertKey(work: Pick<Work, 'tx' | 'now' | 'newId' | 'actor'>, key: NewKey): Promise<InsertedKey> {
  const { tx, now, newId, actor } = work
  const { token, ...fields } = key
  const { tenantId, name, environment } = key
  const start = tokenStart(token)
  if (start === null) throw new Error('A new key needs a token of the grammar.')
  const tokenHash = hashToken(token)

  const apiKey = await tx.apiKey
    .create({
      data: {
        ...fields,
        id: newId(),
        createdByUserId: actor.kind === 'user' ? actor.userId : null,
        createdByKeyId: actor.kind === 'apiKey' ? actor.apiKeyId : null,
        createdAt: now,
        updatedAt: now,
      },
    })
    .catch((error: unknown) => {
      if (!isUniqueViolation(error)) throw error
      throw new KeywardError('CONFLICT', `There is a key named \`${name}\` for ${environment} already.`, {
        issues: [{ path: ['input', 'name'], detail: 'is taken' }],
      })
    })
  await tx.apiKeySecret.create({
    data: {
      id: newId(),
      tenantId,
      apiKeyId: apiKey.id,
      hash: tokenHashToBytes(tokenHash),
      start,
      activatedAt: now,
      createdAt: now,
    },
  })
  return { apiKey, tokenHash, start }
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
  if (id === null) return null
  await tx.$queryRaw`SELECT FROM api_keys WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid FOR UPDATE`
  return tx.apiKey.findUnique({ where: { tenantId_id: { tenantId, id } } })
}
