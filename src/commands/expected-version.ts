import { type InputIssue, KeywardError } from '../errors/keyward-error.ts'

/**
 * Throws CONFLICT when the caller read another version than the one that is there now. To be asked while the row is
 * locked; a caller that names no version changes whatever it finds.
 */
export function requireVersion(
  version: number,
  expected: number | null | undefined,
  path: InputIssue['path'] = ['input', 'expectedVersion'],
): void {
  if (expected == null || expected === version) return
  throw new KeywardError(
    'CONFLICT',
    `This is version ${version} by now, not ${expected}: read it again, then decide.`,
    {
      issues: [{ path, detail: `is ${version} by now` }],
    },
  )
}
