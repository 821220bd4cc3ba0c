/**
 * Writes the Prisma client to src/generated, without a download. `npm ci` runs it after the install, also offline.
 *
 * With `--if-missing` it does nothing when the client is there and newer than the schema.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { runPrisma } from './prisma-cli.ts'

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
  const result = runPrisma(['generate', '--no-hints'])
  if (result.status === 0) return 0
  process.stderr.write(`prisma generate failed\n${result.error ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}`)
  return 1
}

process.exitCode = process.argv.includes('--if-missing') && isFresh() ? 0 : generate()
