import { fileURLToPath } from 'node:url'
import { checkImports } from './import-rules.ts'

/** Part of `npm run check`: fails on an import that the rules forbid, and when it did not read the code at all. */
const { moduleCount, violations } = await checkImports(fileURLToPath(new URL('../..', import.meta.url)))
if (moduleCount < 50) {
  process.stderr.write(`Only ${moduleCount} modules were read; the check is broken.\n`)
  process.exitCode = 1
} else if (violations.length > 0) {
  process.stderr.write(`Imports that the rules forbid:\n${violations.map((line) => `  ${line}\n`).join('')}`)
  process.exitCode = 1
} else {
  process.stdout.write(`${moduleCount} modules keep the import rules.\n`)
}
