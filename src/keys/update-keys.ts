import type { BulkResult, BulkRow } from '../commands/bulk-result.ts'
import { type Command, defineTenantCommand, type TenantWork } from '../commands/command.ts'
import { requireVersion } from '../commands/expected-version.ts'
import { mergeConfig } from '../configs/effective-config.ts'
import { readTenantConfig } from '../configs/stored-config.ts'
import { isUniqueViolation } from '../db/database-failures.ts'
import { OutdatedError } from '../db/outdated-error.ts'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import type { ApiKey } from '../generated/prisma/client.ts'
import { normalizeName } from '../lib/text-fault.ts'
import { parsePublicIdOf } from '../public-id.ts'
import { findScopeFaults, type ScopeFault } from '../scopes/grantable-scopes.ts'
import { findTenantId } from '../tenants/tenant-store.ts'
import { BULK_KEYS_MAX, failRow, keyNotFound, recordRejected } from './bulk-rows.ts'
import { findTakenNames, lockKeys, spellKeyName, updateKeys } from './bulk-store.ts'
import { describeKeyChange, type KeyChangePlan, planKeyChange, requireMayProlong, tellKeyChange } from './key-change.ts'
import { findExpiryFault } from './key-expiry.ts'
import { type KeyChanges, validateKeyChanges } from './key-rules.ts'
import { refuseNameOf } from './key-store.ts'
import type { UpdateKeyDeps } from './update-key.ts'

export interface UpdateKeysInput {
  readonly tenantId: string
  readonly keys: readonly {
    readonly id: string
    readonly changes: KeyChanges & { readonly expectedVersion?: number | null | undefined }
  }[]
}

type Row = UpdateKeysInput['keys'][number]

const NAME = 'update-keys'
const PERMISSION = 'keys:update'

/**
 * Change many keys, each as `update-key` would. A row that changes nothing is skipped. Names are given out in the order of the
 * rows, and one that any key has at the beginning is taken: two keys cannot swap theirs in one call.
 */
export function updateKeysCommand(deps: UpdateKeyDeps): Command<UpdateKeysInput, BulkResult> {
  return defineTenantCommand<UpdateKeysInput, BulkResult>({
    name: NAME,
    permission: PERMISSION,
    tenantOf: ({ tenantId }, find) => findTenantId(find, tenantId),
    validate({ keys }) {
      if (keys.length > 0 && keys.length <= BULK_KEYS_MAX) return []
      return [{ path: ['input', 'keys'], detail: `must have 1 to ${BULK_KEYS_MAX} rows` }]
    },
    async execute(work, { keys: given }) {
      const { tx, tenantId, now } = work
      const ids = given.map(({ id }) => parsePublicIdOf('ApiKey', id))
      const keys = await lockKeys(
        tx,
        tenantId,
        ids.filter((id) => id !== null),
      )
      const rules = await readRules(work, deps, given, keys)
      const planned = new Map<string, { key: ApiKey; plan: KeyChangePlan }>()
      const rows = given.map((row, index): BulkRow => {
        const key = keys.get(ids[index] ?? '')
        if (key === undefined) return failRow(index, keyNotFound(), ['input', 'keys', index, 'id'])
        try {
          if (planned.has(key.id)) throw new KeywardError('CONFLICT', 'Another row changes this key already.')
          const plan = decideRow(work, key, row, rules, deps)
          if (plan.fields.length === 0) return { index, status: 'SKIPPED', id: row.id, error: null }
          planned.set(key.id, { key, plan })
          return { index, status: 'UPDATED', id: row.id, error: null }
        } catch (error) {
          return failRow(index, error, ['input', 'keys', index, 'changes'])
        }
      })
      const rejected = recordRejected(work, NAME, PERMISSION, rows)
      const changes = [...planned.values()]
      const [first, ...rest] = changes
      if (first === undefined) return { unchanged: { rows }, audit: rejected }

      await updateKeys(tx, tenantId, now, changes).catch((error: unknown) => {
        if (!isUniqueViolation(error)) throw error
        // Which of the names it was is seen by looking again; its row fails then, and the others do not.
        throw new OutdatedError(
          new KeywardError('CONFLICT', 'Somebody else took one of the names just now; send the changes again.'),
        )
      })
      const describe = ({ key, plan }: typeof first) => describeKeyChange(key, plan)
      return {
        value: { rows },
        audit: [describe(first), ...rest.map(describe), ...rejected],
        events: changes.map(({ key, plan }) => tellKeyChange(key, plan)),
        invalidate: changes.map(({ key }) => ({ kind: 'key', apiKeyId: key.id })),
      }
    },
  })
}

interface Rules {
  readonly scopeFaults: ReadonlyMap<string, ScopeFault>
  readonly keyTtlDaysMax: number
  /** Grows with each name that a row is given. */
  readonly takenNames: Set<string>
}

/** All that the rows must be held against. At most five statements, however many rows there are. */
async function readRules(
  work: TenantWork,
  { systemConfig }: UpdateKeyDeps,
  rows: readonly Row[],
  keys: ReadonlyMap<string, ApiKey>,
): Promise<Rules> {
  const { tx, tenantId } = work
  const tenant = await tx.tenant.findUnique({ where: { id: tenantId }, select: { config: true } })
  if (tenant === null) throw keyNotFound()
  // What is too much to be looked up is refused by the row's own rules.
  const scopes = rows.flatMap(({ changes }) => (validateKeyChanges(changes).length > 0 ? [] : (changes.scopes ?? [])))
  const names = rows.flatMap(({ id, changes: { name } }) => {
    const key = keys.get(parsePublicIdOf('ApiKey', id) ?? '')
    return name == null || key === undefined ? [] : [{ environment: key.environment, name: normalizeName(name) }]
  })
  return {
    scopeFaults: await findScopeFaults(tx, work, scopes),
    keyTtlDaysMax: mergeConfig({}, readTenantConfig(tenant.config), systemConfig).keyTtlDaysMax.value,
    takenNames: new Set(names.length > 0 ? await findTakenNames(tx, tenantId, names) : []),
  }
}

/** Throws what `update-key` would throw. */
function decideRow(work: TenantWork, key: ApiKey, { changes }: Row, rules: Rules, deps: UpdateKeyDeps): KeyChangePlan {
  const issues = validateKeyChanges(changes)
  if (issues.length > 0) throw validationFailed(issues)
  if (key.revokedAt !== null) throw new KeywardError('CONFLICT', 'The key is revoked, which is final.')
  requireVersion(key.version, changes.expectedVersion)
  const plan = planKeyChange(deps.envelope, key, changes)
  requireMayProlong(work, key, plan)
  for (const [at, scope] of (changes.scopes ?? []).entries()) {
    const fault = key.scopes.includes(scope) ? undefined : rules.scopeFaults.get(scope)
    if (fault === undefined) continue
    throw new KeywardError(fault.code, fault.detail, {
      issues: [{ path: ['input', 'scopes', at], detail: fault.detail }],
    })
  }
  if (plan.fields.includes('expiresAt')) {
    const fault = findExpiryFault(plan.after.expiresAt, key.createdAt, work.now, rules.keyTtlDaysMax)
    if (fault !== null) throw validationFailed([{ path: ['input', 'expiresAt'], detail: fault }])
  }
  if (plan.fields.includes('name')) {
    const name = { environment: key.environment, name: plan.after.name }
    if (rules.takenNames.has(spellKeyName(name))) throw refuseNameOf(name)
    rules.takenNames.add(spellKeyName(name))
  }
  return plan
}
