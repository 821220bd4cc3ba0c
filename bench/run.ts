import { parseArgs } from 'node:util'
import { describeMachine, describeNoise, preferSession } from './machine.ts'
import { startLoad } from './processes.ts'
import { type BenchContext, explain, formatTable, formatTarget, type Section } from './section.ts'
import { betterAuthSection } from './sections/better-auth.ts'
import { databaseSection } from './sections/database.ts'
import { graphqlSection } from './sections/graphql.ts'
import { httpSection } from './sections/http.ts'
import { inProcessSection } from './sections/in-process.ts'
import { memorySection } from './sections/memory.ts'
import { openApiSection } from './sections/openapi.ts'

/**
 * `npm run bench` measures what needs nothing but this package, in about two minutes; `npm run bench -- --all`
 * everything. What a section is for stands at its head.
 *
 * The exit code is 1 when something that was asked for could not be measured. A target that is missed is said, and is
 * no failure: machines differ, and some are busy.
 */
const SECTIONS: readonly Section[] = [
  httpSection,
  inProcessSection,
  graphqlSection,
  databaseSection,
  openApiSection,
  memorySection,
  betterAuthSection,
]

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    'cpu-prof': { type: 'boolean', default: false },
  },
})

const print = (line: string): boolean => process.stdout.write(`${line}\n`)
const load = startLoad()
const context: BenchContext = {
  load,
  rounds: Number(values.rounds),
  durationMs: Number(values.seconds) * 1000,
  serverNodeArgs: values['cpu-prof'] ? ['--cpu-prof'] : [],
}

async function runSection(section: Section): Promise<void> {
  print(`\n## ${section.title}\n`)
  const before = describeNoise()
  const { tables, targets, missing = [] } = await section.run(context)
  for (const table of tables) print(`${formatTable(table)}\n`)
  for (const target of targets) print(formatTarget(target))
  for (const sentence of missing) print(`NOT MEASURED  ${sentence}`)
  if (missing.length > 0) process.exitCode = 1
  print(`(${before} before, ${describeNoise()} after)`)
}

print(`${describeMachine()}; ${values.rounds} rounds of ${values.seconds} s each`)
for (const section of SECTIONS) {
  const isAsked = values.only === undefined ? values.all || !section.isSlow : section.name === values.only
  if (!isAsked) continue
  await runSection(section).catch((error: unknown) => {
    print(`NOT MEASURED  ${explain(error)}`)
    process.exitCode = 1
  })
}
load.stop()
preferSession(0)
