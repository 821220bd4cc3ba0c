import { requirePermission } from '../actors/require-permission.ts'
import { type Command, defineTenantCommand } from '../commands/command.ts'
import type { RememberedResult } from '../commands/idempotency.ts'
import { mergeConfig, type SystemConfig } from '../configs/effective-config.ts'
import { planConfigChange } from '../configs/plan-config-change.ts'
import { readTenantConfig } from '../configs/stored-config.ts'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import type { ApiKey, Prisma } from '../generated/prisma/client.ts'
import { normalizeName } from '../lib/text-fault.ts'
import { formatPublicId } from '../public-id.ts'
import { findUngrantableScopes } from '../scopes/grantable-scopes.ts'
import type { Envelope } from '../secrets/envelope.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { describeCredits } from './credit-rules.ts'
import { findExpiryFault, resolveExpiry } from './key-expiry.ts'
import { CONFIG_PATH, type CreateKeyInput, type JsonObject, validateNewKey } from './key-rules.ts'
import { insertKey } from './key-store.ts'
import { sealPrivateMetadata } from './private-metadata.ts'
import { signingSecretPurpose } from './signing-secret.ts'
import { generateToken } from './token.ts'

export interface CreatedKey {
  readonly apiKey: ApiKey
  /** The full token, which the caller alone keeps; null when a request came again after the time to show it was over. */
  readonly token: string | null
  /** 64 hex digits; null for a key that signs nothing, and when the token is. */
  readonly signingSecret: string | null
}

export interface CreateKeyDeps {
  readonly envelope: Envelope
  readonly systemConfig: SystemConfig
}

const SIGNING_SECRET_BYTES = 32

/**
 * Create a key with its first secret. Configuration and credits bend the tenant's rules, so giving a key its own needs
 * the same permission as changing them later.
 */
export function createKeyCommand({ envelope, systemConfig }: CreateKeyDeps): Command<CreateKeyInput, CreatedKey> {
  return defineTenantCommand({
    name: 'create-key',
    permission: 'keys:create',
    tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
    validate: validateNewKey,
    idempotency: {
      typename: 'ApiKey',
      keyOf: ({ idempotencyKey }) => idempotencyKey,
      remember: ({ apiKey, token, signingSecret }) => ({
        id: apiKey.id,
        secrets: { token, signingSecret },
      }),
      recall: recallKey,
    },
    async execute(work, input) {
      const { tx, now, tenantId, actor, newId, randomBytes } = work
      if (input.config != null) requirePermission(actor, 'configs:write', tenantId, 'A configuration')
      if (input.credits != null) requirePermission(actor, 'credits:write', tenantId, 'Giving credits')
      const scopes = [...new Set(input.scopes ?? [])]
      const issues = await findUngrantableScopes(tx, work, scopes)
      if (issues.length > 0) throw validationFailed(issues)

      const tenant = await tx.tenant.findUnique({ where: { id: tenantId }, select: { keyPrefix: true, config: true } })
      if (tenant === null) throw new KeywardError('NOT_FOUND', 'There is nothing under this id.')
      const effective = mergeConfig({}, readTenantConfig(tenant.config), systemConfig)
      const maxDays = effective.keyTtlDaysMax.value
      const expiresAt = resolveExpiry(input, now, { defaultDays: effective.keyTtlDaysDefault.value, maxDays })
      const expiryFault = findExpiryFault(expiresAt, now, now, maxDays)
      if (expiryFault !== null) {
        const field = input.ttlDays == null ? 'expiresAt' : 'ttlDays'
        throw validationFailed([{ path: ['input', field], detail: expiryFault }])
      }

      const id = newId()
      const { environment, credits } = input
      const name = normalizeName(input.name)
      const token = generateToken({ prefix: tenant.keyPrefix, environment, randomBytes })
      const signingSecret = input.withSigningSecret === true ? randomBytes(SIGNING_SECRET_BYTES) : null
      const { config } = planConfigChange('KEY', {}, input.config ?? {}, CONFIG_PATH)
      const ownerId = input.ownerId ?? null
      // The rules let nothing through but an object.
      const sealedPrivateMetadata = sealPrivateMetadata(envelope, id, input.privateMetadata as JsonObject | null)
      const { apiKey, tokenHash, start } = await insertKey(work, {
        id,
        tenantId,
        name,
        environment,
        description: input.description ?? null,
        ownerId,
        scopes,
        metadata: (input.metadata ?? {}) as Prisma.InputJsonObject,
        sealedPrivateMetadata,
        expiresAt,
        config,
        ...(signingSecret && { sealedSigningSecret: envelope.seal(signingSecret, signingSecretPurpose(id)) }),
        ...(credits && { credits }),
        token,
      })

      const publicId = formatPublicId('ApiKey', id)
      return {
        value: { apiKey, token, signingSecret: signingSecret?.toHex() ?? null },
        audit: [
          {
            tenantId,
            action: 'api_key.created',
            outcome: 'SUCCESS',
            resource: { type: 'ApiKey', id: publicId },
            detail: {
              after: {
                name,
                environment,
                scopes,
                start,
                ownerId,
                expiresAt: expiresAt?.toISOString() ?? null,
                ...(input.config != null && { config }),
                ...(credits != null && { credits: describeCredits(credits) }),
                ...(sealedPrivateMetadata !== null && { withPrivateMetadata: true }),
                ...(signingSecret !== null && { withSigningSecret: true }),
              },
            },
          },
        ],
        events: [{ type: 'api_key.created', tenantId, data: { apiKeyId: publicId, name, environment } }],
        // Somebody may have tried the token before it was committed, and been told, for a while, that there is none.
        invalidate: [{ kind: 'token', hash: tokenHash }],
      }
    },
  })
}

/** The key as it is now, and its token as long as that can be shown. */
async function recallKey(tx: Prisma.TransactionClient, { id, secrets }: RememberedResult): Promise<CreatedKey | null> {
  const apiKey = await tx.apiKey.findUnique({ where: { id } })
  return apiKey && { apiKey, token: secrets?.token ?? null, signingSecret: secrets?.signingSecret ?? null }
}
