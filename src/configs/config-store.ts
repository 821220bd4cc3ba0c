import type { Prisma } from '../generated/prisma/client.ts'
import type { Environment } from '../keys/environment.ts'
import type { KeyConfig } from './effective-config.ts'
import type { JsonConfig } from './plan-config-change.ts'
import { readKeyConfig } from './stored-config.ts'

/** Comes before every other. */
const NO_ID = '00000000-0000-0000-0000-000000000000'

export interface StoredKeyConfig {
  readonly id: string
  readonly name: string
  readonly environment: Environment
  readonly revokedAt: Date | null
  readonly scopes: readonly string[]
  readonly version: number
  readonly config: KeyConfig
}

/**
 * What the keys set for themselves, by their ids; those that the tenant has not are missing. Locked until the transaction
 * ends unless it is `toLook`, in the order of their ids, so that two that meet wait for each other. One statement.
 */
export async function findKeyConfigs(
  tx: Prisma.TransactionClient,
  tenantId: string,
  ids: readonly string[],
  { toLook = false } = {},
): Promise<ReadonlyMap<string, StoredKeyConfig>> {
  const keys = toLook
    ? await tx.apiKey.findMany({
        where: { tenantId, id: { in: [...ids] } },
        select: { id: true, name: true, environment: true, revokedAt: true, scopes: true, version: true, config: true },
      })
    : await tx.$queryRaw<StoredKeyConfig[]>`
        SELECT id::text, name, environment::text, revoked_at AS "revokedAt", scopes, version, config FROM api_keys
         WHERE tenant_id = ${tenantId}::uuid AND id = ANY(${[...ids]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`
  return new Map(keys.map((key) => [key.id, { ...key, config: readKeyConfig(key.config) }]))
}

/** Writes configs of keys that are locked. One statement. */
export async function updateKeyConfigs(
  tx: Prisma.TransactionClient,
  tenantId: string,
  now: Date,
  changes: readonly { readonly id: string; readonly config: JsonConfig }[],
): Promise<void> {
  await tx.$executeRaw`
    UPDATE api_keys key SET config = changed.config, updated_at = ${now}::timestamptz, version = key.version + 1
      FROM jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) AS changed (id uuid, config jsonb)
     WHERE key.tenant_id = ${tenantId}::uuid AND key.id = changed.id`
}

export interface ExportedConfigs {
  readonly rows: readonly { readonly id: string; readonly config: KeyConfig }[]
  readonly hasMore: boolean
}

/**
 * What keys set for themselves, in the order of their ids, after the id that is given. Keys that set nothing, and revoked ones,
 * are left out. It ends where it would have more rows, or more bytes of JSON with `rowBytes` around each, than are wanted; the
 * largest config must fit. One statement.
 */
export async function listKeyConfigs(
  tx: Prisma.TransactionClient,
  tenantId: string,
  { after, rowsMax, bytesMax, rowBytes }: { after: string | null; rowsMax: number; bytesMax: number; rowBytes: number },
): Promise<ExportedConfigs> {
  const found = await tx.$queryRaw<{ id: string; config: KeyConfig | null }[]>`
    SELECT id::text, CASE WHEN bytes <= ${bytesMax} THEN config END AS config
      FROM (SELECT id, config, sum(octet_length(config::text) + ${rowBytes}::int) OVER (ORDER BY id) AS bytes
              FROM api_keys
             WHERE tenant_id = ${tenantId}::uuid AND revoked_at IS NULL AND config <> '{}' AND id > ${after ?? NO_ID}::uuid
             ORDER BY id LIMIT ${rowsMax + 1}) AS key
     ORDER BY id`
  const rows = found.slice(0, rowsMax).flatMap(({ id, config }) => (config === null ? [] : [{ id, config }]))
  return { rows, hasMore: rows.length < found.length }
}
