import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isEnumType } from 'graphql'
import { describe, expect, test } from 'vitest'
import { schema } from '../../src/schema.ts'

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

interface PrismaEnum {
  readonly name: string
  readonly description: string
  readonly values: Readonly<Record<string, string>>
}

function readEnums(): PrismaEnum[] {
  return LINES.flatMap((line, at) => {
    const name = /^enum (\w+) \{$/.exec(line)?.[1]
    if (name === undefined) return []
    const values: Record<string, string> = {}
    for (let below = at + 1; LINES[below] !== '}'; below++) {
      const value = /^\w+$/.exec(LINES[below] ?? '')?.[0]
      if (value !== undefined) values[value] = readComment(below).join(' ')
    }
    return [{ name, description: readComment(at).join(' '), values }]
  })
}

test('each index says which query it serves', () => {
  expect(indexes.length).toBeGreaterThan(40)
  const silent = indexes.filter(({ at }) => !readComment(at).some((line) => /^Serves: \S/.test(line)))
  expect(silent.map(({ line }) => line)).toEqual([])
})

describe('an enum that GraphQL shows is described as in schema.prisma:', () => {
  const shown = readEnums().flatMap((one) => {
    const type = schema.getType(one.name)
    return isEnumType(type) ? [{ ...one, type }] : []
  })

  test('some are', () => {
    expect(shown.map(({ name }) => name)).toEqual(expect.arrayContaining(['Environment', 'Role', 'RefillInterval']))
  })

  test.each(shown)('$name', ({ description, values, type }) => {
    expect(type.description).toBe(description)
    expect(Object.fromEntries(type.getValues().map((value) => [value.name, value.description]))).toEqual(values)
  })
})
