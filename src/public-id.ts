/**
 * Ids as they are seen outside, in GraphQL and REST alike: `<prefix>_<32 hex digits of the UUID>`.
 *
 * The prefix makes an id tell what it is for, so that an id pasted in the wrong place is refused and never matches a row
 * of another table. The form is canonical: one id has exactly one spelling.
 */
const PREFIXES = {
  Tenant: 'tnt',
  ApiKey: 'key',
  ApiKeySecret: 'sec',
  User: 'usr',
  Membership: 'mbr',
  Session: 'ses',
  Invitation: 'inv',
  Scope: 'scp',
  OpenApiOperation: 'opn',
  SensitiveFieldRule: 'sfr',
  AuditEvent: 'aud',
  AuditCheckpoint: 'chk',
  WebhookEndpoint: 'whe',
  WebhookDelivery: 'whd',
  WebhookAttempt: 'wha',
  OutboxEvent: 'evt',
  AlertRule: 'alr',
  Alert: 'alt',
} as const

export type PublicIdTypename = keyof typeof PREFIXES

export const PUBLIC_ID_PREFIXES: Readonly<Record<PublicIdTypename, string>> = PREFIXES

export interface PublicId {
  readonly typename: PublicIdTypename
  /** In the form that PostgreSQL prints: lower case, with hyphens. */
  readonly uuid: string
}

const PREFIX_LENGTH = 3
const PUBLIC_ID_PATTERN = /^[a-z]{3}_[0-9a-f]{32}$/
const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const typenamesByPrefix: ReadonlyMap<string, PublicIdTypename> = new Map(
  (Object.keys(PREFIXES) as PublicIdTypename[]).map((typename) => [PREFIXES[typename], typename]),
)

/** Throws RangeError for a string that is no lower-case UUID: such an id could not be read back. */
export function formatPublicId(typename: PublicIdTypename, uuid: string): string {
  if (!UUID_PATTERN.test(uuid)) throw new RangeError('Not a UUID in its canonical form.')
  return `${PREFIXES[typename]}_${uuid.slice(0, 8)}${uuid.slice(9, 13)}${uuid.slice(14, 18)}${uuid.slice(19, 23)}${uuid.slice(24)}`
}

/** Null for everything that `formatPublicId` would not have written. */
export function parsePublicId(text: string): PublicId | null {
  if (!PUBLIC_ID_PATTERN.test(text)) return null
  const typename = typenamesByPrefix.get(text.slice(0, PREFIX_LENGTH))
  if (typename === undefined) return null
  const hex = text.slice(PREFIX_LENGTH + 1)
  const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  return { typename, uuid }
}

/** The UUID of an id of one kind; null for an id of another kind or for no id at all. */
export function parsePublicIdOf(typename: PublicIdTypename, text: string): string | null {
  const id = parsePublicId(text)
  return id !== null && id.typename === typename ? id.uuid : null
}

export function isPublicIdTypename(name: string): name is PublicIdTypename {
  return Object.hasOwn(PREFIXES, name)
}
