import { chmod, mkdir, realpath, stat } from 'node:fs/promises'
import { DatabaseError } from '../database-error.ts'

/**
 * Makes the data folder, closed to everybody else, and returns its real path: two paths to one folder have to lead to
 * one socket.
 *
 * @throws DatabaseError DATA_FOLDER_UNUSABLE
 */
export async function prepareDataFolder(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await closeToOthers(path)
    return await realpath(path)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new DatabaseError('DATA_FOLDER_UNUSABLE', `The data folder ${path} cannot be used: ${reason}.`, error)
  }
}

async function closeToOthers(path: string): Promise<void> {
  const { mode } = await stat(path)
  if ((mode & 0o066) === 0) return
  await chmod(path, 0o700).catch((error: unknown) => {
    // A volume that belongs to root and is ours by its group. Everything in it is closed to others by itself.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) throw error
  })
}
