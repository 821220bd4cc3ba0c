/** A text as LIKE and ILIKE take it literally. Prisma hands over what it is given, and there `_` and `%` stand for anything. */
export function escapeLikePattern(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}
