import { open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Envelope } from '../secrets/envelope.ts'
import type { FirstStart } from './first-start.ts'

/**
 * What the first start made and nobody has seen yet. Between the commit and the terminal a server can die, and the
 * credentials of the only admin would be lost for good. So they are kept before the commit, sealed, and forgotten once
 * they are printed: milliseconds later, or at the end of the next start.
 */
export interface UnseenCredentials {
  keep(first: FirstStart): Promise<void>
  /** Null when everything was seen. Throws MasterKeyError when another master key sealed them. */
  read(): Promise<FirstStart | null>
  forget(): Promise<void>
}

const PURPOSE = 'credentials of the first start'

export function createUnseenCredentials(dataDir: string, envelope: Envelope): UnseenCredentials {
  const path = join(dataDir, 'first-start.sealed')
  return {
    async keep(first) {
      const draft = `${path}.draft`
      const file = await open(draft, 'w', 0o600)
      try {
        await file.writeFile(envelope.seal(Buffer.from(JSON.stringify(first)), PURPOSE))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, path)
    },
    async read() {
      const sealed = await readFile(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null
        throw error
      })
      return sealed && parseFirstStart(Buffer.from(envelope.open(sealed, PURPOSE)).toString())
    },
    forget: () => rm(path, { force: true }),
  }
}

/** What was sealed here was written here. */
function parseFirstStart(text: string): FirstStart {
  const first: FirstStart = JSON.parse(text)
  return first
}
