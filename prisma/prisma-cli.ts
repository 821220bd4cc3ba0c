import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** Runs Prisma's command line without a download, also offline. */
export function runPrisma(args: readonly string[]): SpawnSyncReturns<string> {
  const program = createRequire(import.meta.url).resolve('prisma/build/index.js')
  return spawnSync(process.execPath, [program, ...args], {
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
}
