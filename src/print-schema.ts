import { readFile, writeFile } from 'node:fs/promises'
import { lexicographicSortSchema, printSchema } from 'graphql'
import { schema } from './schema.ts'

/** Writes schema.graphql; with `--check` it only says whether the file is what the code makes of it. */
const path = new URL('../schema.graphql', import.meta.url)
const printed = `${printSchema(lexicographicSortSchema(schema))}\n`

if (process.argv.includes('--check')) {
  const written = await readFile(path, 'utf8').catch(() => '')
  if (written !== printed) {
    process.stderr.write('schema.graphql is out of date: run `npm run schema` and commit it.\n')
    process.exitCode = 1
  }
} else {
  await writeFile(path, printed)
}
