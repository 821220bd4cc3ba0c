import { readFile } from 'node:fs/promises'
import { type OperationManifest, OperationManifestError, parseOperationManifest } from './persisted-operations.ts'

/** Without a path there are no operations. Throws OperationManifestError with a sentence that names the file. */
export async function loadOperationManifest(path: string | undefined): Promise<OperationManifest> {
  if (path === undefined) return new Map()
  try {
    return parseOperationManifest(await readFile(path, 'utf8'))
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new OperationManifestError(`PERSISTED_OPERATIONS_FILE ${path} cannot be used. ${error.message}`)
  }
}
