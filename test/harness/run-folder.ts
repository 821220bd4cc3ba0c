import { chmodSync, rmSync } from 'node:fs'
import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isProcessAlive } from '../../src/db/embedded/process-alive.ts'

/** A run of all tests writes a few hundred MB. */
const MEMORY_DISK_BYTES_MIN = 2 * 1024 ** 3

export interface RunFolder {
  readonly path: string
  remove(): Promise<void>
}

/**
 * The one folder that everything of a run lies in, on the fastest disk at hand. It goes when the run ends, also by Ctrl-C;
 * after a kill the next run removes it. Other users can pass through it: some tests are theirs.
 */
export async function makeRunFolder(): Promise<RunFolder> {
  const base = await findFastestFolder()
  await removeLeftovers(base)
  const path = await mkdtemp(join(base, `keyward-test-${process.pid}-`))
  chmodSync(path, 0o711)
  const removeAtExit = () => rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  process.on('exit', removeAtExit)
  return {
    path,
    remove: async () => {
      await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
      process.off('exit', removeAtExit)
    },
  }
}

/** Memory, when there is enough of it. */
async function findFastestFolder(): Promise<string> {
  const memory = await statfs('/dev/shm').catch(() => null)
  return memory && memory.bavail * memory.bsize >= MEMORY_DISK_BYTES_MIN ? '/dev/shm' : tmpdir()
}

async function removeLeftovers(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const pid = /^keyward-test-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isProcessAlive(Number(pid))) await rm(join(base, name), { recursive: true, force: true })
  }
}
