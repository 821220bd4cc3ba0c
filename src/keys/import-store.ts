import type { Work } from '../commands/command.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import type { ImportedKey } from './import-rules.ts'

/** What keeps a row from being imported: its hash is there already, or its name is taken. */
export interface ImportObstacle {
  readonly index: number
  /** The key that has the hash. Null when the hash is free and the name is taken. */
  readonly holder: {
    readonly id: string
    readonly tenantId: string
    readonly name: string
    readonly environment: string
  } | null
}

/** The obstacles of some rows, as far as they are committed. One statement. */
export async function findImportObstacles(
  tx: Prisma.TransactionClient,
  tenantId: string,
  keys: readonly ImportedKey[],
): Promise<readonly ImportObstacle[]> {
  const rows = JSON.stringify(keys.map(({ index, name, environment, hash }) => ({ index, name, environment, hash })))
  return tx.$queryRaw<ImportObstacle[]>`
    SELECT row.index,
           CASE WHEN holder.id IS NOT NULL
                THEN json_build_object('id', holder.id, 'tenantId', holder.tenant_id,
                                       'name', holder.name, 'environment', holder.environment) END AS holder
      FROM jsonb_to_recordset(${rows}::jsonb) AS row (index int, name text, environment environment, hash text)
      LEFT JOIN api_key_secrets secret ON secret.hash = decode(row.hash, 'hex')
      LEFT JOIN api_keys holder ON holder.tenant_id = secret.tenant_id AND holder.id = secret.api_key_id
     WHERE holder.id IS NOT NULL
        OR EXISTS (SELECT FROM api_keys other
                    WHERE other.tenant_id = ${tenantId}::uuid AND other.environment = row.environment
                      AND other.name = row.name AND other.revoked_at IS NULL)`
}

export interface NewImportedKey extends ImportedKey {
  readonly id: string
}

/**
 * Writes keys and their secrets, and says which ones: a row whose name or hash somebody else has taken in the meantime is
 * left out, and takes nothing with it. One statement, two when a hash was taken.
 */
export async function insertImportedKeys(
  { tx, now, newId, actor }: Pick<Work, 'tx' | 'now' | 'newId' | 'actor'>,
  tenantId: string,
  keys: readonly NewImportedKey[],
): Promise<ReadonlySet<string>> {
  const rows = JSON.stringify(keys.map(({ index: _, ...key }) => ({ ...key, secretId: newId() })))
  const createdByUserId = actor.kind === 'user' ? actor.userId : null
  const createdByKeyId = actor.kind === 'apiKey' ? actor.apiKeyId : null
  // In the order of the indexes, so that two imports that meet wait for each other instead of locking each other out.
  const written = await tx.$queryRaw<{ id: string; hasSecret: boolean }[]>`
    WITH row AS (
      SELECT * FROM jsonb_to_recordset(${rows}::jsonb)
        AS row (id uuid, "secretId" uuid, name text, environment environment, scopes text[], "ownerId" text,
                "expiresAt" timestamptz, hash text, start text)
    ), key AS (
      INSERT INTO api_keys (id, tenant_id, name, environment, scopes, owner_id, expires_at,
                            created_by_user_id, created_by_key_id, created_at, updated_at)
      SELECT id, ${tenantId}::uuid, name, environment, scopes, "ownerId", "expiresAt",
             ${createdByUserId}::uuid, ${createdByKeyId}::uuid, ${now}::timestamptz, ${now}::timestamptz
        FROM row ORDER BY environment, name
      ON CONFLICT DO NOTHING
      RETURNING id
    ), secret AS (
      INSERT INTO api_key_secrets (id, tenant_id, api_key_id, hash, start, activated_at, created_at)
      SELECT "secretId", ${tenantId}::uuid, id, decode(hash, 'hex'), start, ${now}::timestamptz, ${now}::timestamptz
        FROM row JOIN key USING (id) ORDER BY hash
      ON CONFLICT DO NOTHING
      RETURNING api_key_id
    )
    SELECT key.id, secret.api_key_id IS NOT NULL AS "hasSecret"
      FROM key LEFT JOIN secret ON secret.api_key_id = key.id`
  const bare = written.filter(({ hasSecret }) => !hasSecret).map(({ id }) => id)
  if (bare.length > 0) await tx.apiKey.deleteMany({ where: { tenantId, id: { in: bare } } })
  return new Set(written.filter(({ hasSecret }) => hasSecret).map(({ id }) => id))
}

/** Notes under which prefixes tokens of other systems stand. At most one statement. */
export async function insertImportedPrefixes(tx: Prisma.TransactionClient, prefixes: readonly string[]): Promise<void> {
  if (prefixes.length === 0) return
  await tx.importedPrefix.createMany({ data: prefixes.map((prefix) => ({ prefix })), skipDuplicates: true })
}
