import { createHash } from 'node:crypto'
import { lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseError } from '../database-error.ts'
import { type Launcher, makePrivateFolder } from './launcher.ts'

/** PostgreSQL and every client build the name of the socket from the port, also where there is no port. */
export const SOCKET_PORT = 5432
export const SOCKET_NAME = `.s.PGSQL.${SOCKET_PORT}`

/** sockaddr_un holds 104 bytes on macOS and 108 on Linux, the closing zero included. */
const SOCKET_PATH_BYTES_MAX = 103

/**
 * The folder of the socket: in the data folder, or, when that path is too long for a socket, under the temporary
 * folder, by a name that follows from the data folder, so that a second server finds the first one.
 */
export function socketFolderOf(dataDir: string, temporaryDir = tmpdir()): string {
  const inside = join(dataDir, 'socket')
  if (Buffer.byteLength(join(inside, SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX) return inside
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  return join(temporaryDir, `keyward-${name}`)
}

/**
 * Makes the folder. Under the temporary folder everybody can guess its name and make it first, to receive our
 * connections: it is used only when it is a real folder of ours that nobody else can enter.
 *
 * @throws DatabaseError DATA_FOLDER_UNUSABLE
 */
export async function prepareSocketFolder(path: string, launcher: Launcher): Promise<void> {
  const failure = await mkdir(path, { mode: 0o700 }).catch((error: unknown) => error)
  const found = await lstat(path).catch(() => {
    throw new DatabaseError('DATA_FOLDER_UNUSABLE', `The folder ${path} cannot be made.`, failure)
  })
  const owners = [process.getuid?.(), launcher.identity?.uid]
  if (!found.isDirectory() || !owners.includes(found.uid)) {
    throw new DatabaseError(
      'DATA_FOLDER_UNUSABLE',
      `${path} belongs to somebody else. Choose a DATA_DIR with a shorter path.`,
    )
  }
  await makePrivateFolder(path, launcher)
}
