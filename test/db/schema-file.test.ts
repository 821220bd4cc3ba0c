import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const LINES = readFileSync(join(import.meta.dirname, '../../prisma/schema.prisma'), 'utf8')
  .split('\n')
  .map((line) => line.trim())

const indexes = LINES.flatMap((line, at) =>
  /^@@(index|unique|id)\b|^\w+ .*@unique\b/.test(line) ? [{ line, at }] : [],
)

/** The comment that stands right above a line, without its slashes. */
function readComment(at: number): string[] {
  const above = LINES.slice(0, at)
  const before = above.findLastIndex((line) => !line.startsWith('//'))
  return above.slice(before + 1).map((line) => line.replace(/^\/+ ?/, ''))
}

test('each index says which query it serves', () => {
  expect(indexes.length).toBeGreaterThan(40)
  const silent = indexes.filter(({ at }) => !readComment(at).some((line) => /^Serves: \S/.test(line)))
  expect(silent.map(({ line }) => line)).toEqual([])
})
