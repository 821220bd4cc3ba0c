/**
 * Writes the Prisma client to src/generated, without a download. `npm ci` runs it after the install, also offline.
 *
 * With `--if-missing` it does nothing when the client is there and newer than the schema.
 */
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'

const root = join(import.meta.dirname, '..')

function modifiedAt(path: string): number {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function isFresh(): boolean {
  const sources = ['prisma/schema.prisma', 'node_modules/prisma/package.json'].map(modifiedAt)
  const outputs = ['src/generated/prisma/client.ts', 'src/generated/pothos.ts'].map(modifiedAt)
  return Math.min(...outputs) > Math.max(...sources)
}

function generate(): number {
  const program = createRequire(import.meta.url).resolve('prisma/build/index.js')
  const result = spawnSync(process.execPath, [program, 'generate', '--no-hints'], {
    cwd: root,
    encoding: 'utf8',
    env: {
      ...process.env,
      // The generator for Pothos is a program of its own, which looks for `node` on the path.
      PATH: [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
      // The native engine would be downloaded and never run; any program that exists keeps Prisma from doing so.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  })
  if (result.status === 0) return 0
  process.stderr.write(`prisma generate failed\n${result.error ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}`)
  return 1
}

process.exitCode = process.argv.includes('--if-missing') && isFresh() ? 0 : generate()
