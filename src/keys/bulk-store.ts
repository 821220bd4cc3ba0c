import type { ApiKey, Prisma } from '../generated/prisma/client.ts'
import type { Environment } from './environment.ts'
import type { KeyChangePlan } from './key-change.ts'

/** See `lockKey`; in the order of their ids, so that two that meet wait for each other. Two statements. */
export async function lockKeys(
  tx: Prisma.TransactionClient,
  tenantId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ApiKey>> {
  await tx.$queryRaw`
    SELECT FROM api_keys WHERE tenant_id = ${tenantId}::uuid AND id = ANY(${[...ids]}::uuid[]) ORDER BY id FOR UPDATE`
  const keys = await tx.apiKey.findMany({ where: { tenantId, id: { in: [...ids] } } })
  return new Map(keys.map((key) => [key.id, key]))
}

export interface KeyName {
  readonly environment: Environment
  readonly name: string
}

/** A name as it is unique, in one text. */
export function spellKeyName({ environment, name }: KeyName): string {
  return `${environment} ${name}`
}

/** Those of the names that live keys have, as `spellKeyName` spells them. One statement. */
export async function findTakenNames(
  tx: Prisma.TransactionClient,
  tenantId: string,
  names: readonly KeyName[],
): Promise<ReadonlySet<string>> {
  const keys = await tx.apiKey.findMany({
    where: { tenantId, revokedAt: null, name: { in: names.map(({ name }) => name) } },
    select: { environment: true, name: true },
  })
  return new Set(keys.map(spellKeyName))
}

/** One statement. Throws what the database says of a name that was taken just now. */
export async function updateKeys(
  tx: Prisma.TransactionClient,
  tenantId: string,
  now: Date,
  changes: readonly { readonly key: ApiKey; readonly plan: KeyChangePlan }[],
): Promise<void> {
  const rows = changes.map(({ key, plan: { after, sealedPrivateMetadata } }) => ({
    ...after,
    id: key.id,
    privateMetadata: sealedPrivateMetadata?.toBase64() ?? null,
  }))
  await tx.$executeRaw`
    UPDATE api_keys key
       SET name = changed.name, description = changed.description, scopes = changed.scopes,
           owner_id = changed."ownerId", expires_at = changed."expiresAt", metadata = changed.metadata,
           sealed_private_metadata = decode(changed."privateMetadata", 'base64'),
           updated_at = ${now}::timestamptz, version = key.version + 1
      FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        AS changed (id uuid, name text, description text, scopes text[], "ownerId" text, "expiresAt" timestamptz,
                    metadata jsonb, "privateMetadata" text)
     WHERE key.tenant_id = ${tenantId}::uuid AND key.id = changed.id`
}
