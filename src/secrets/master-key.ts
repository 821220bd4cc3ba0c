import { randomBytes } from 'node:crypto'
import { link, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MasterKeyError } from './master-key-error.ts'

const MASTER_KEY_BYTES = 32

/** Name of the file in the data folder of the embedded database. Whoever has both can read every sealed secret. */
export const MASTER_KEY_FILE = 'master.key'

/** Reads a master key from its base64 form; null when it does not stand for exactly 32 bytes. */
export function parseMasterKey(text: string): Uint8Array | null {
  const trimmed = text.trim()
  const bytes = Buffer.from(trimmed, 'base64')
  return bytes.length === MASTER_KEY_BYTES && bytes.toString('base64') === trimmed ? bytes : null
}

/**
 * The master key of the data folder, made at the first start. It appears under its name only when it is whole and on the
 * disk, so that a crash cannot leave half a key; of two servers that start at once, one creates and both read the same.
 */
export async function loadOrCreateMasterKey(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, MASTER_KEY_FILE)
  const existing = await readMasterKey(path)
  if (existing !== null) return existing

  // Not named by the process: in a container that is always the same one, and a draft that a crash left would stop it.
  const draft = `${path}.${randomBytes(8).toString('hex')}`
  await writeDurably(draft, `${randomBytes(MASTER_KEY_BYTES).toString('base64')}\n`)
  await link(draft, path).catch(ignoreRival)
  await removeDrafts(dataDir)
  await syncFolder(dataDir)

  const created = await readMasterKey(path)
  if (created === null) throw new Error(`${path} disappeared while it was being made.`)
  return created
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Another server was faster: its key has the name, and it may have taken our draft for one that nobody needs any more. */
function ignoreRival(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error
}

/** Once there is a key, drafts are of no use, neither ours nor those that a crash left. */
async function removeDrafts(dataDir: string): Promise<void> {
  const names = await readdir(dataDir)
  const drafts = names.filter((name) => name.startsWith(`${MASTER_KEY_FILE}.`))
  await Promise.all(drafts.map((name) => rm(join(dataDir, name), { force: true })))
}

/** A name in a folder survives a power cut only when the folder was written too. Windows knows no such thing. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}

async function readMasterKey(path: string): Promise<Uint8Array | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (text === null) return null
  const key = parseMasterKey(text)
  if (key === null) {
    throw new MasterKeyError(`${path} does not hold a master key: 32 bytes in base64. Restore it from a backup.`)
  }
  return key
}
