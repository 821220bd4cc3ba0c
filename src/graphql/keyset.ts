import { KeywardError } from '../errors/keyward-error.ts'
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from './limits.ts'

/**
 * Pages by key set: a cursor says after which value of the sort key, and after which id among equal values, the page
 * begins. It needs no row to be there still, so that a page after a row that was deleted meanwhile is right, and an
 * index finds its place without counting (see Winand, "Paging Through Results").
 */
export interface PageArgs {
  readonly first?: number | null | undefined
  readonly after?: string | null | undefined
  readonly last?: number | null | undefined
  readonly before?: string | null | undefined
}

export interface Cursor {
  /** The order of the list that gave it out, as `nameOrder` says it: in another one, the place would be anywhere. */
  readonly order: string
  /** The row's sort key as text, a time in ISO form; null for a row that has none. */
  readonly value: string | null
  readonly id: string
}

export interface Page {
  readonly limit: number
  /** Whether the rows are read from the end of the list, for `last`. */
  readonly backwards: boolean
  readonly after: Cursor | null
  readonly before: Cursor | null
}

/** Room for the longest value that a list is sorted by, a path of 1000 characters, however they are written. */
const CURSOR_CHARACTERS_MAX = 8192

export function formatCursor({ order, value, id }: Cursor): string {
  return Buffer.from(JSON.stringify([order, value, id])).toString('base64url')
}

function parseCursor(text: string, argument: string): Cursor {
  if (text.length <= CURSOR_CHARACTERS_MAX) {
    try {
      const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
      const [order, value, id]: unknown[] = Array.isArray(parsed) ? parsed : []
      if (typeof order === 'string' && (typeof value === 'string' || value === null) && isUuid(id)) {
        return { order, value, id }
      }
    } catch {
      // Not JSON: told below, as any other text that is no cursor.
    }
  }
  throw notOurs(argument)
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)
}

function notOurs(argument: string): KeywardError {
  return invalidArgument(argument, 'is not a cursor that this list gave out')
}

/** Reads the paging arguments. Throws VALIDATION_FAILED naming the argument that is wrong. */
export function parsePage({ first, after, last, before }: PageArgs): Page {
  if (first != null && last != null) throw invalidArgument('last', 'cannot be given together with `first`')
  return {
    limit: parseSize(first == null && last != null ? 'last' : 'first', first ?? last ?? PAGE_SIZE_DEFAULT),
    backwards: last != null,
    after: after == null ? null : parseCursor(after, 'after'),
    before: before == null ? null : parseCursor(before, 'before'),
  }
}

function parseSize(argument: string, size: number): number {
  if (size < 0 || size > PAGE_SIZE_MAX) throw invalidArgument(argument, `must be from 0 to ${PAGE_SIZE_MAX}`)
  return size
}

function invalidArgument(argument: string, detail: string): KeywardError {
  return new KeywardError('VALIDATION_FAILED', `${argument}: ${detail}`, { issues: [{ path: [argument], detail }] })
}

export interface Keyset<Row> {
  /** Name of the column that is sorted by; ties are broken by the id, in the same direction. */
  readonly column: keyof Row & string
  /** When `column` is a relation to one row or none: the column of that row. */
  readonly field?: string
  /** Name of the column with the id that is unique in the list; `id` when absent. */
  readonly idColumn?: keyof Row & string
  /** Whether a row without a value stands before or after all that have one; absent when all have one. */
  readonly absent?: 'lowest' | 'highest'
  readonly direction: Direction
  readonly valueOf: (row: Row) => string | null
  /** A cursor's value as the column holds it; null when the column could not hold it. */
  readonly parseValue: (value: string) => string | Date | null
}

export type Direction = 'asc' | 'desc'

/** The part of a Prisma query that makes it one page: one row more than asked for tells whether there is another page. */
export function pageQuery<Row>(page: Page, keyset: Keyset<Row>) {
  const direction = page.backwards ? flip(keyset.direction) : keyset.direction
  const bounds = [
    ...(page.after === null ? [] : [beyond(page.after, 'after', keyset, keyset.direction)]),
    ...(page.before === null ? [] : [beyond(page.before, 'before', keyset, flip(keyset.direction))]),
  ]
  const sort =
    keyset.absent === undefined
      ? direction
      : { sort: direction, nulls: endsWithAbsent(keyset, direction) ? 'last' : 'first' }
  return {
    where: { AND: bounds },
    orderBy: [at(keyset, sort), { [keyset.idColumn ?? 'id']: direction }],
    take: page.limit + 1,
  }
}

/** What a cursor says of the order that it is good for. */
function nameOrder<Row>({ column, field, direction }: Keyset<Row>): string {
  return `${field === undefined ? column : `${column}.${field}`} ${direction}`
}

function flip(direction: Direction): Direction {
  return direction === 'asc' ? 'desc' : 'asc'
}

function endsWithAbsent<Row>({ absent }: Keyset<Row>, direction: Direction): boolean {
  return (absent === 'highest') === (direction === 'asc')
}

/** A condition on the sort key, or an order by it, in the place where Prisma looks for it. */
function at<Row>({ column, field }: Keyset<Row>, value: unknown) {
  return { [column]: field === undefined ? value : { [field]: value } }
}

function isAbsent<Row>(keyset: Keyset<Row>) {
  const { column, field } = keyset
  return field === undefined ? { [column]: null } : { OR: [{ [column]: null }, at(keyset, null)] }
}

/** The rows that come after the cursor when one goes in this direction. */
function beyond<Row>(cursor: Cursor, argument: string, keyset: Keyset<Row>, direction: Direction) {
  if (cursor.order !== nameOrder(keyset)) {
    throw invalidArgument(argument, 'is a cursor of another order; begin again without one, or ask for that order')
  }
  const operator = direction === 'asc' ? 'gt' : 'lt'
  const sameKeyFurther = { [keyset.idColumn ?? 'id']: { [operator]: cursor.id } }
  const absentIsBeyond = keyset.absent !== undefined && endsWithAbsent(keyset, direction)
  if (cursor.value === null) {
    if (keyset.absent === undefined) throw notOurs(argument)
    const alike = { AND: [isAbsent(keyset), sameKeyFurther] }
    return absentIsBeyond ? alike : { OR: [alike, at(keyset, { not: null })] }
  }
  const value = keyset.parseValue(cursor.value)
  if (value === null) throw notOurs(argument)
  const further = [at(keyset, { [operator]: value }), { AND: [at(keyset, value), sameKeyFurther] }]
  if (absentIsBeyond) return { OR: [...further, isAbsent(keyset)] }
  // The first condition follows from the second; it is what lets the index find where to begin.
  return { AND: [at(keyset, { [`${operator}e`]: value }), { OR: further }] }
}

export interface Connection<Row> {
  readonly edges: { readonly cursor: string; readonly node: Row }[]
  readonly pageInfo: {
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string | null
    readonly endCursor: string | null
  }
}

/** The rows of `pageQuery` as a Relay connection (GraphQL Cursor Connections Specification). */
export function toConnection<Row>(rows: readonly Row[], page: Page, keyset: Keyset<Row>): Connection<Row> {
  const kept = rows.slice(0, page.limit)
  if (page.backwards) kept.reverse()
  const more = rows.length > page.limit
  const order = nameOrder(keyset)
  const edges = kept.map((node) => ({
    cursor: formatCursor({ order, value: keyset.valueOf(node), id: idOf(node, keyset) }),
    node,
  }))
  return {
    edges,
    pageInfo: {
      hasNextPage: page.backwards ? page.before !== null : more,
      hasPreviousPage: page.backwards ? more : page.after !== null,
      startCursor: edges.at(0)?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}

function idOf<Row>(row: Row, { idColumn }: Keyset<Row>): string {
  return String(Reflect.get(Object(row), idColumn ?? 'id'))
}

/** Sort by when a row was made, newest first: the order of every list that nobody asked another order for. */
export const NEWEST_FIRST: Keyset<{ id: string; createdAt: Date }> = {
  column: 'createdAt',
  direction: 'desc',
  valueOf: ({ createdAt }) => createdAt.toISOString(),
  parseValue: parseTimeKey,
}

/** The time of a cursor; null for every text that `toISOString` would not have written. */
export function parseTimeKey(value: string): Date | null {
  const time = new Date(value)
  return ISO_TIME.test(value) && !Number.isNaN(time.getTime()) && time.toISOString() === value ? time : null
}

/** The form of `toISOString`, with the years that PostgreSQL writes in four digits. */
const ISO_TIME = /^(?!0000)\d{4}-\d\d-\d\dT/
