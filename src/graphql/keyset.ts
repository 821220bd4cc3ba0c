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
  /** The row's sort key as text; a time in ISO form. */
  readonly value: string
  readonly id: string
}

export interface Page {
  readonly limit: number
  /** Whether the rows are read from the end of the list, for `last`. */
  readonly backwards: boolean
  readonly after: Cursor | null
  readonly before: Cursor | null
}

const CURSOR_CHARACTERS_MAX = 2048

export function formatCursor({ value, id }: Cursor): string {
  return Buffer.from(JSON.stringify([value, id])).toString('base64url')
}

function parseCursor(text: string, argument: string): Cursor {
  if (text.length <= CURSOR_CHARACTERS_MAX) {
    try {
      const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
      if (
        Array.isArray(parsed) &&
        typeof parsed[0] === 'string' &&
        typeof parsed[1] === 'string' &&
        isUuid(parsed[1])
      ) {
        return { value: parsed[0], id: parsed[1] }
      }
    } catch {
      // Not JSON: told below, as any other text that is no cursor.
    }
  }
  throw invalidArgument(argument, 'is not a cursor that this list gave out')
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
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
  /** Name of the column that is sorted by; ties are broken by `id`, in the same direction. */
  readonly column: keyof Row & string
  readonly direction: 'asc' | 'desc'
  readonly valueOf: (row: Row) => string
  /** A cursor's value as the column holds it; null when the column could not hold it. */
  readonly parseValue: (value: string) => string | Date | null
}

/** The part of a Prisma query that makes it one page: one row more than asked for tells whether there is another page. */
export function pageQuery<Row>(page: Page, keyset: Keyset<Row>) {
  const { column } = keyset
  const direction = page.backwards ? flip(keyset.direction) : keyset.direction
  const bounds = [
    ...(page.after === null ? [] : [beyond(page.after, 'after', keyset, keyset.direction)]),
    ...(page.before === null ? [] : [beyond(page.before, 'before', keyset, flip(keyset.direction))]),
  ]
  return { where: { AND: bounds }, orderBy: [{ [column]: direction }, { id: direction }], take: page.limit + 1 }
}

function flip(direction: 'asc' | 'desc'): 'asc' | 'desc' {
  return direction === 'asc' ? 'desc' : 'asc'
}

function beyond<Row>(cursor: Cursor, argument: string, keyset: Keyset<Row>, direction: 'asc' | 'desc') {
  const { column } = keyset
  const operator = direction === 'asc' ? 'gt' : 'lt'
  const value = keyset.parseValue(cursor.value)
  if (value === null) throw invalidArgument(argument, 'is not a cursor that this list gave out')
  return {
    // The first condition follows from the second; it is what lets the index find where to begin.
    [column]: { [`${operator}e`]: value },
    OR: [{ [column]: { [operator]: value } }, { [column]: value, id: { [operator]: cursor.id } }],
  }
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
export function toConnection<Row extends { id: string }>(
  rows: readonly Row[],
  page: Page,
  keyset: Keyset<Row>,
): Connection<Row> {
  const kept = rows.slice(0, page.limit)
  if (page.backwards) kept.reverse()
  const more = rows.length > page.limit
  const edges = kept.map((node) => ({ cursor: formatCursor({ value: keyset.valueOf(node), id: node.id }), node }))
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

/** Sort by when a row was made, newest first: the order of every list that nobody asked another order for. */
export const NEWEST_FIRST: Keyset<{ id: string; createdAt: Date }> = {
  column: 'createdAt',
  direction: 'desc',
  valueOf: ({ createdAt }) => createdAt.toISOString(),
  parseValue(value) {
    const time = new Date(value)
    return ISO_TIME.test(value) && !Number.isNaN(time.getTime()) && time.toISOString() === value ? time : null
  },
}

/** The form of `valueOf`, with the years that PostgreSQL writes in four digits. */
const ISO_TIME = /^(?!0000)\d{4}-\d\d-\d\dT/
