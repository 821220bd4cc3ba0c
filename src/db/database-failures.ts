import { DatabaseError } from './database-error.ts'

/**
 * What an error of PostgreSQL says, wherever it was caught: from `pg` itself, or wrapped by Prisma and its adapter.
 */
interface Failure {
  /** SQLSTATE, or the code of Node or Prisma, of this error and of everything that it wraps. */
  readonly codes: ReadonlySet<string>
  readonly messages: readonly string[]
  readonly constraints: ReadonlySet<string>
}

/** Errors wrap each other two or three deep; a longer chain is a loop. */
const DEPTH_MAX = 6

/**
 * Whether a unique constraint or index refused the row.
 *
 * @param constraint the name of the constraint or index in the database; any, when left out
 */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const failure = readFailure(error)
  if (!failure.codes.has('23505')) return false
  return constraint === undefined || failure.constraints.has(constraint)
}

/**
 * Whether something that was there a moment ago is not any more: a row that refers to it was refused, or it was to be read
 * again or changed.
 */
export function isGone(error: unknown): boolean {
  const { codes } = readFailure(error)
  return codes.has('23503') || codes.has('P2003') || codes.has('P2025')
}

/** Whether the database undid the transaction because of a concurrent one, so that the same work can succeed again. */
export function isConcurrencyFailure(error: unknown): boolean {
  const { codes } = readFailure(error)
  return codes.has('40001') || codes.has('40P01') || codes.has('P2034')
}

/**
 * Whether the database could not be reached or had no capacity: the same request can succeed later. A commit that was
 * cut off may have happened.
 */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseError) return error.code === 'POOL_EXHAUSTED'
  const { codes, messages } = readFailure(error)
  for (const code of codes) if (UNAVAILABLE_CODES.has(code) || UNAVAILABLE_CLASS.test(code)) return true
  return messages.some((message) => UNAVAILABLE_MESSAGE.test(message))
}

/** SQLSTATE classes: 08 connection, 53 resources, 57P operator intervention, 58 system. */
const UNAVAILABLE_CLASS = /^(?:08|53|57P|58)[0-9A-Z]{2,3}$/

const UNAVAILABLE_CODES = new Set([
  // statement_timeout, lock_timeout, idle_in_transaction_session_timeout, and a server that became a read-only replica
  '57014',
  '55P03',
  '25P03',
  '25006',
  // Node's sockets. ENOENT is a Unix socket that is not there.
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  // Prisma: unreachable, timed out, closed, no connection in time, no transaction in time, too many connections
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
])

/** What `pg` and `pg-pool` say without a code. */
const UNAVAILABLE_MESSAGE =
  /timeout exceeded when trying to connect|^Connection terminated|Query read timeout|after calling end on the pool|Client has encountered a connection error|Client was closed/

function readFailure(error: unknown): Failure {
  const codes = new Set<string>()
  const messages: string[] = []
  const constraints = new Set<string>()
  collect(error, DEPTH_MAX, (name, value) => {
    if (name === 'message') messages.push(value)
    else if (name === 'constraint' || name === 'index') constraints.add(value)
    else codes.add(value)
  })
  return { codes, messages, constraints }
}

const TEXT_FIELDS = ['code', 'originalCode', 'message', 'constraint', 'index'] as const
/** Prisma: `meta.driverAdapterError.cause.constraint.index`. Node: `errors` of an AggregateError. */
const NESTED_FIELDS = ['cause', 'meta', 'driverAdapterError', 'constraint', 'errors'] as const

function collect(value: unknown, depth: number, note: (name: string, value: string) => void): void {
  if (typeof value !== 'object' || value === null || depth === 0) return
  if (Array.isArray(value)) {
    for (const item of value) collect(item, depth - 1, note)
    return
  }
  const fields: Readonly<Record<string, unknown>> = { ...value, message: Reflect.get(value, 'message') }
  for (const name of TEXT_FIELDS) {
    const text = fields[name]
    // A socket that is not there, not some other file. Prisma keeps the code and drops the system call.
    const isMissingFile = text === 'ENOENT' && typeof fields.syscall === 'string' && fields.syscall !== 'connect'
    if (typeof text === 'string' && !isMissingFile) note(name, text)
  }
  for (const name of NESTED_FIELDS) collect(name === 'cause' ? Reflect.get(value, name) : fields[name], depth - 1, note)
}
