import { DOCUMENT_PATH, failedRow } from '../commands/bulk-document.ts'
import type { BulkRow } from '../commands/bulk-result.ts'
import type { Work } from '../commands/command.ts'
import type { Prisma } from '../generated/prisma/client.ts'
import { formatPublicId } from '../public-id.ts'
import { type ImportedScope, SCOPES_LIST } from './scope-document.ts'
import { catalogueFull } from './scope-store.ts'

interface StoredScope {
  readonly id: string
  readonly name: string
  readonly description: string | null
  readonly category: string | null
  readonly active: boolean
}

interface PlannedScope extends StoredScope {
  readonly index: number
  readonly status: 'CREATED' | 'UPDATED' | 'SKIPPED'
}

export interface ScopesToUpsert {
  readonly tenantId: string
  readonly scopes: readonly ImportedScope[]
  /** How many can be new; see `countRoom`. */
  readonly room: number
  readonly dryRun: boolean
}

export interface UpsertedScopes {
  readonly rows: readonly BulkRow[]
  /** Whether something is switched off or on now that was not before. */
  readonly switched: boolean
}

/**
 * Brings a catalogue to what the scopes say: those that are missing are created, others changed where they differ. The
 * names must be different; what finds no room fails. Two statements whatever the number of scopes, one for a dry run.
 */
export async function upsertScopes(
  { tx, now, newId }: Pick<Work, 'tx' | 'now' | 'newId'>,
  { tenantId, scopes, room, dryRun }: ScopesToUpsert,
): Promise<UpsertedScopes> {
  const stored = await findStored(tx, tenantId, scopes, dryRun)
  const created = scopes.filter(({ name }) => !stored.has(name))
  const surplus = new Set(created.slice(Math.max(room, 0)))
  const planned = scopes
    .filter((scope) => !surplus.has(scope))
    .map((scope) => plan(scope, stored.get(scope.name), newId))
  const changed = planned.filter(({ status }) => status !== 'SKIPPED')
  if (!dryRun && changed.length > 0) await write(tx, tenantId, changed, now)
  return {
    rows: [
      ...planned.map(({ index, status, id }) => ({
        index,
        status,
        id: dryRun && status === 'CREATED' ? null : formatPublicId('Scope', id),
        error: null,
      })),
      ...[...surplus].map(({ index }) =>
        failedRow(index, {
          code: 'CONFLICT',
          message: catalogueFull().detail,
          path: [...DOCUMENT_PATH, SCOPES_LIST, index],
        }),
      ),
    ],
    switched: changed.some(({ name, active }) => active !== (stored.get(name)?.active ?? true)),
  }
}

async function findStored(
  tx: Prisma.TransactionClient,
  tenantId: string,
  scopes: readonly ImportedScope[],
  dryRun: boolean,
): Promise<ReadonlyMap<string, StoredScope>> {
  const names = scopes.map(({ name }) => name)
  const rows = dryRun
    ? await tx.scope.findMany({ where: { tenantId, name: { in: names } } })
    : await tx.$queryRaw<StoredScope[]>`
        SELECT id::text, name, description, category, active FROM scopes
         WHERE tenant_id = ${tenantId}::uuid AND name = ANY(${names}) ORDER BY name FOR NO KEY UPDATE`
  return new Map(rows.map((row) => [row.name, row]))
}

function plan(scope: ImportedScope, stored: StoredScope | undefined, newId: () => string): PlannedScope {
  const { index, name } = scope
  const wanted = {
    description: scope.description === undefined ? (stored?.description ?? null) : scope.description,
    category: scope.category === undefined ? (stored?.category ?? null) : scope.category,
    active: scope.active ?? stored?.active ?? true,
  }
  if (stored === undefined) return { index, status: 'CREATED', id: newId(), name, ...wanted }
  const isSame =
    stored.description === wanted.description && stored.category === wanted.category && stored.active === wanted.active
  return { index, status: isSame ? 'SKIPPED' : 'UPDATED', id: stored.id, name, ...wanted }
}

/** A scope that somebody else creates meanwhile is waited for and brought to the same. */
async function write(
  tx: Prisma.TransactionClient,
  tenantId: string,
  scopes: readonly PlannedScope[],
  now: Date,
): Promise<void> {
  const column = <Name extends keyof PlannedScope>(name: Name) => scopes.map((scope) => scope[name])
  await tx.$executeRaw`
    INSERT INTO scopes AS scope (id, tenant_id, name, description, category, active, created_at, updated_at)
    SELECT id, ${tenantId}::uuid, name, description, category, active, ${now}, ${now}
      FROM unnest(${column('id')}::uuid[], ${column('name')}::text[], ${column('description')}::text[],
                  ${column('category')}::text[], ${column('active')}::boolean[])
           AS given (id, name, description, category, active)
     ORDER BY name
        ON CONFLICT (tenant_id, name) DO UPDATE
       SET description = excluded.description, category = excluded.category, active = excluded.active,
           version = scope.version + 1, updated_at = excluded.updated_at`
}
