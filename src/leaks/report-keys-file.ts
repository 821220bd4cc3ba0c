import { readFile } from 'node:fs/promises'
import { parseReportKeys, type ReportKeys, ReportKeysError } from './report-keys.ts'

/** Without a path there are no keys. Throws ReportKeysError with a sentence that names the file. */
export async function loadReportKeys(path: string | undefined): Promise<ReportKeys> {
  if (path === undefined) return new Map()
  try {
    return parseReportKeys(await readFile(path, 'utf8'))
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new ReportKeysError(`LEAK_REPORT_KEYS_FILE ${path} cannot be used. ${error.message}`)
  }
}
