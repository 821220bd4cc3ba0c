import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

const NOWHERE = 'http://127.0.0.1:1'
const offline = { HTTP_PROXY: NOWHERE, HTTPS_PROXY: NOWHERE, PRISMA_ENGINES_MIRROR: NOWHERE }

/** The scripts work on the project that they lie in: a copy of the folder prisma, beside the real sources and packages. */
function copyPrismaFolder(linked: readonly string[]): string {
  const folder = mkdtempSync(join(inject('runFolder'), 'scripts-'))
  cpSync(join(ROOT, 'prisma'), join(folder, 'prisma'), { recursive: true })
  for (const path of ['package.json', 'prisma.config.ts']) cpSync(join(ROOT, path), join(folder, path))
  for (const path of ['node_modules', ...linked]) symlinkSync(join(ROOT, path), join(folder, path))
  return folder
}

function runScript(folder: string, script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'prisma', script), ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...env },
  })
  return { status, stdout, stderr }
}

test('db:diff ends with 2 and the missing SQL, --create makes it the next migration, and then it ends with 0', () => {
  const folder = copyPrismaFolder(['src'])
  appendFileSync(join(folder, 'prisma/schema.prisma'), '\nmodel Extra {\n  id Int @id\n}\n')
  const before = readdirSync(join(folder, 'prisma/migrations'))

  const drifted = runScript(folder, 'db-diff.ts', [])
  expect(drifted).toMatchObject({ status: 2, stdout: expect.stringContaining('CREATE TABLE "Extra"') })
  expect(runScript(folder, 'db-diff.ts', ['--create', 'add extra'])).toMatchObject({ status: 1, stdout: '' })
  expect(readdirSync(join(folder, 'prisma/migrations'))).toEqual(before)

  expect(runScript(folder, 'db-diff.ts', ['--create', 'add_extra'])).toMatchObject({ status: 0 })
  const [created = '', ...others] = readdirSync(join(folder, 'prisma/migrations')).filter(
    (name) => !before.includes(name),
  )
  expect(others).toEqual([])
  expect(created).toMatch(/^\d{14}_add_extra$/)
  expect(
    created >
      (before
        .filter((name) => /^\d/.test(name))
        .sort()
        .at(-1) ?? ''),
  ).toBe(true)
  expect(readFileSync(join(folder, 'prisma/migrations', created, 'migration.sql'), 'utf8')).toBe(drifted.stdout)

  expect(runScript(folder, 'db-diff.ts', [])).toMatchObject({ status: 0, stdout: '' })
})

test('generate writes the client without a network, says nothing, and does nothing when it is not needed', () => {
  const folder = copyPrismaFolder([])
  mkdirSync(join(folder, 'src'))
  const client = join(folder, 'src/generated/prisma/client.ts')

  expect(runScript(folder, 'generate.ts', ['--if-missing'], offline)).toEqual({ status: 0, stdout: '', stderr: '' })
  expect(existsSync(client)).toBe(true)
  const { mtimeMs } = statSync(client)
  expect(runScript(folder, 'generate.ts', ['--if-missing'], offline)).toEqual({ status: 0, stdout: '', stderr: '' })
  expect(statSync(client).mtimeMs).toBe(mtimeMs)

  appendFileSync(join(folder, 'prisma/schema.prisma'), '\nmodel Extra {\n  id Int @id\n}\n')
  expect(runScript(folder, 'generate.ts', ['--if-missing'], offline).status).toBe(0)
  expect(existsSync(join(folder, 'src/generated/prisma/models/Extra.ts'))).toBe(true)
})

test('generate says what is wrong with a schema', () => {
  const folder = copyPrismaFolder([])
  appendFileSync(join(folder, 'prisma/schema.prisma'), '\nmodel Broken {\n')
  const { status, stderr } = runScript(folder, 'generate.ts', [])
  expect(status).toBe(1)
  expect(stderr).toContain('prisma generate failed')
  expect(stderr).toContain('schema.prisma')
})

test('format finds what is not formatted without a network, mends it, and then finds nothing', () => {
  const folder = copyPrismaFolder([])
  const path = join(folder, 'prisma/schema.prisma')
  const formatted = readFileSync(path, 'utf8')
  writeFileSync(path, formatted.replace('model Tenant {', 'model   Tenant   {'))

  const { status, stderr } = runScript(folder, 'format.ts', ['--check'], offline)
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('npm run format') })
  expect(runScript(folder, 'format.ts', [], offline)).toEqual({ status: 0, stdout: '', stderr: '' })
  expect(readFileSync(path, 'utf8')).toBe(formatted)
  expect(runScript(folder, 'format.ts', ['--check'], offline)).toEqual({ status: 0, stdout: '', stderr: '' })
})

test('db:migrate without DATABASE_URL says that the embedded database looks after itself', () => {
  const folder = copyPrismaFolder(['src'])
  expect(runScript(folder, 'db-migrate.ts', [])).toEqual({
    status: 0,
    stdout: 'DATABASE_URL is not set: the embedded database migrates itself when the server starts.\n',
    stderr: '',
  })
})

test('db:migrate says in a sentence when the database cannot be reached, and does not repeat a password', () => {
  const folder = copyPrismaFolder(['src'])
  for (const host of ['127.0.0.1', 'localhost']) {
    const env = { DATABASE_URL: `postgresql://a:hush@${host}:1/keyward` }
    const { status, stderr } = runScript(folder, 'db-migrate.ts', [], env)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^The database of DATABASE_URL could not be migrated: .*connect ECONNREFUSED 127.0.0.1:1\n$/)
    expect(stderr).not.toContain('hush')
  }
})
