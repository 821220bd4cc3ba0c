import type { ApiKey, ApiKeyUsage } from '../generated/prisma/client.ts'
import { type Direction, type Keyset, NEWEST_FIRST, parseTimeKey } from '../graphql/keyset.ts'
import { findProseFault } from '../lib/text-fault.ts'
import { KEY_NAME_CHARACTERS_MAX } from './key-rules.ts'

/** A key with what its own row does not hold and lists are sorted by. */
export type ListedKey = ApiKey & { readonly usage?: ApiKeyUsage | null }

export type KeyOrderField = 'NAME' | 'CREATED_AT' | 'LAST_USED_AT' | 'EXPIRES_AT'

export interface KeyOrder {
  readonly field: KeyOrderField
  readonly direction: 'ASC' | 'DESC'
}

type KeyOrderKeyset = Omit<Keyset<ListedKey>, 'direction'>

/** What never expires does so after everything else; what was never used was so before everything else. */
const KEYSETS: Readonly<Record<KeyOrderField, KeyOrderKeyset>> = {
  NAME: {
    column: 'name',
    valueOf: ({ name }) => name,
    parseValue: (value) => (findProseFault(value, KEY_NAME_CHARACTERS_MAX) === null ? value : null),
  },
  CREATED_AT: NEWEST_FIRST,
  LAST_USED_AT: {
    column: 'usage',
    field: 'lastUsedAt',
    absent: 'lowest',
    valueOf: ({ usage }) => usage?.lastUsedAt?.toISOString() ?? null,
    parseValue: parseTimeKey,
  },
  EXPIRES_AT: {
    column: 'expiresAt',
    absent: 'highest',
    valueOf: ({ expiresAt }) => expiresAt?.toISOString() ?? null,
    parseValue: parseTimeKey,
  },
}

const DIRECTIONS: Readonly<Record<KeyOrder['direction'], Direction>> = { ASC: 'asc', DESC: 'desc' }

/** How a list of keys is sorted; newest first when nobody says. */
export function keysetOf(order: KeyOrder | null | undefined): Keyset<ListedKey> {
  const { field, direction } = order ?? { field: 'CREATED_AT', direction: 'DESC' }
  return { ...KEYSETS[field], direction: DIRECTIONS[direction] }
}
