import { defineTenantCommand } from '../commands/command.ts'
import { validationFailed } from '../errors/keyward-error.ts'
import type { ApiKey, Prisma } from '../generated/prisma/client.ts'
import { formatPublicId, parsePublicIdOf } from '../public-id.ts'
import { findUngrantableScopes } from '../scopes/grantable-scopes.ts'
import { type CreateKeyInput, resolveExpiry, validateNewKey } from './key-rules.ts'
import { insertKey } from './key-store.ts'
import { generateToken } from './token.ts'

export interface CreatedKey {
  readonly apiKey: ApiKey
  /** The full token. It exists here and with the caller, and nowhere else. */
  readonly token: string
}

/** Create a key with its first secret. */
export const createKey = defineTenantCommand<CreateKeyInput, CreatedKey>({
  name: 'create-key',
  permission: 'keys:create',
  tenantOf: ({ tenantId }) => parsePublicIdOf('Tenant', tenantId),
  validate: validateNewKey,
  async execute(work, input) {
    const { tx, now, tenantId, actor } = work
    const expiresAt = resolveExpiry(input, now)
    if (expiresAt !== null && expiresAt <= now) {
      throw validationFailed([{ path: ['input', 'expiresAt'], detail: 'must lie in the future' }])
    }
    const scopes = [...new Set(input.scopes ?? [])]
    const issues = await findUngrantableScopes(tx, { actor, tenantId, scopes })
    if (issues.length > 0) throw validationFailed(issues)

    const { name, environment } = input
    const { keyPrefix } = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId }, select: { keyPrefix: true } })
    const token = generateToken({ prefix: keyPrefix, environment, randomBytes: work.randomBytes })
    const description = input.description ?? null
    const ownerId = input.ownerId ?? null
    const metadata = (input.metadata ?? {}) as Prisma.InputJsonObject
    const { apiKey, tokenHash, start } = await insertKey(work, {
      tenantId,
      name,
      environment,
      description,
      ownerId,
      scopes,
      metadata,
      expiresAt,
      token,
    })

    const publicId = formatPublicId('ApiKey', apiKey.id)
    return {
      value: { apiKey, token },
      audit: [
        {
          tenantId,
          action: 'api_key.created',
          outcome: 'SUCCESS',
          resource: { type: 'ApiKey', id: publicId },
          detail: {
            after: { name, environment, scopes, start, ownerId, expiresAt: expiresAt?.toISOString() ?? null },
          },
        },
      ],
      events: [{ type: 'api_key.created', tenantId, data: { apiKeyId: publicId, name, environment } }],
      // Somebody may have tried the token before it was committed, and been told, for a while, that there is none.
      invalidate: [{ kind: 'token', hash: tokenHash }],
    }
  },
})
