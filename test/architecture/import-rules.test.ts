import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkImports, IMPORT_RULES, type ImportReport } from './import-rules.ts'

const plantedFiles = {
  'src/lib/clock.ts': "import type { Key } from '../keys/token.ts'\nexport type Clock = Key\n",
  'src/keys/token.ts': "import { store } from './key-store.ts'\nexport type Key = typeof store\n",
  'src/keys/key-status.ts': "import { readFileSync } from 'node:fs'\nexport const status = readFileSync\n",
  'src/keys/key-rules.ts': "import { planted } from 'planted'\nexport const rules = planted\n",
  'src/keys/key-store.ts': 'export const store = 1\n',
  'src/keys/schema.ts': "import { store } from './key-store.ts'\nexport const schema = store\n",
  'src/keys/bulk-schema.ts': "import { outbox } from '../events/outbox.ts'\nexport const schema = outbox\n",
  'src/keys/key-type.ts': "import { transaction } from '../db/transaction.ts'\nexport const type = transaction\n",
  'src/events/outbox.ts': 'export const outbox = 1\n',
  'src/db/transaction.ts': 'export const transaction = 1\n',
  'src/verify/decide.ts': "import { planted } from 'planted'\nexport const decide = planted\n",
  'src/verify/verify.ts': "import { store } from '../keys/key-store.ts'\nexport const verify = store\n",
  'src/verify/one.ts': "import { two } from './two.ts'\nexport const one = () => two\n",
  'src/verify/two.ts': "import { one } from './one.ts'\nexport const two = () => one\n",
  'src/http/server.ts': "import { verify } from '../verify/verify.ts'\nexport const server = verify\n",
  'src/db/pool.ts': "import { store } from '../keys/key-store.ts'\nexport const pool = store\n",
  'src/keys/late.ts': "import { app } from '../app.ts'\nexport const late = app\n",
  'src/app.ts': 'export const app = 1\n',
  'node_modules/planted/package.json': '{"name":"planted","type":"module","exports":"./index.js"}\n',
  'node_modules/planted/index.js': 'export const planted = 1\n',
}

/** One line each: rule, importer, imported. */
const plantedViolations = [
  'no-cycles: src/verify/one.ts → src/verify/two.ts',
  'lib-stands-alone: src/lib/clock.ts → src/keys/token.ts',
  'pure-rules-do-no-io: src/keys/token.ts → src/keys/key-store.ts',
  'pure-rules-do-no-io: src/keys/key-status.ts → fs',
  'pure-rules-do-no-io: src/keys/key-rules.ts → node_modules/planted/index.js',
  'verify-needs-ports: src/verify/verify.ts → src/keys/key-store.ts',
  'verify-needs-few-packages: src/verify/decide.ts → node_modules/planted/index.js',
  'http-knows-no-rooms: src/http/server.ts → src/verify/verify.ts',
  'db-knows-no-rooms: src/db/pool.ts → src/keys/key-store.ts',
  'schema-does-not-write: src/keys/schema.ts → src/keys/key-store.ts',
  'schema-does-not-write: src/keys/bulk-schema.ts → src/events/outbox.ts',
  'schema-does-not-write: src/keys/key-type.ts → src/db/transaction.ts',
  'nobody-imports-the-top: src/keys/late.ts → src/app.ts',
]

describe('the import rules', () => {
  let planted: ImportReport
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-imports-'))
    for (const [path, text] of Object.entries(plantedFiles)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    planted = await checkImports(folder)
  })

  afterAll(() => rm(folder, { recursive: true }))

  test('read every module of the code and find nothing', async () => {
    const report = await checkImports(fileURLToPath(new URL('../..', import.meta.url)))
    expect(report.violations).toEqual([])
    expect(report.moduleCount).toBeGreaterThan(50)
  })

  test.each(plantedViolations)('catch what is planted: %s', (violation) => {
    expect(planted.violations).toContain(violation)
  })

  test('are all broken by something that is planted', () => {
    const broken = plantedViolations.map((violation) => violation.split(':')[0])
    expect(new Set(broken)).toEqual(new Set(IMPORT_RULES.forbidden?.map(({ name }) => name)))
  })
})
