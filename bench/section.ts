import type { LoadProcess } from './processes.ts'

/** One part of the bench: it measures, and says what it found in tables. */
export interface Section {
  /** What `--only` takes. */
  readonly name: string
  readonly title: string
  /** Left out unless everything is asked for. */
  readonly isSlow: boolean
  run(context: BenchContext): Promise<SectionResult>
}

export interface BenchContext {
  readonly load: LoadProcess
  readonly rounds: number
  readonly durationMs: number
  /** Arguments for the server under test's own Node, to profile it. */
  readonly serverNodeArgs: readonly string[]
}

export interface SectionResult {
  readonly tables: readonly Table[]
  readonly targets: readonly Target[]
  /** Sentences about what could not be measured, and why. Then the bench has not done all that was asked of it. */
  readonly missing?: readonly string[]
}

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export interface Target {
  readonly text: string
  readonly isMet: boolean
}

/** As Markdown, so that it can be read in a terminal and put into a document. */
export function formatTable({ columns, rows }: Table): string {
  const widths = columns.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(columns), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

export function formatTarget({ text, isMet }: Target): string {
  return `${isMet ? 'met   ' : 'MISSED'}  ${text}`
}

/** What several parts found. One that fails is said to be missing, and takes nothing of the others along. */
export async function runParts(parts: readonly (() => Promise<SectionResult>)[]): Promise<SectionResult> {
  const results: SectionResult[] = []
  for (const part of parts) {
    results.push(await part().catch((error: unknown) => ({ tables: [], targets: [], missing: [explain(error)] })))
  }
  return {
    tables: results.flatMap(({ tables }) => tables),
    targets: results.flatMap(({ targets }) => targets),
    missing: results.flatMap(({ missing }) => missing ?? []),
  }
}

export function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
