import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { SETTINGS } from '../../src/config.ts'
import { ERROR_CATALOGUE } from '../../src/errors/catalogue.ts'
import { DENIAL_DETAILS, VERDICT_CODES } from '../../src/verify/verdict-code.ts'

const root = new URL('../../', import.meta.url)
const readText = (path: string) => readFile(new URL(path, root), 'utf8')

const readme = await readText('README.md')

/** The cells of a table that stands between two markers, without its head. */
function readTable(marker: string): string[][] {
  const [, section = ''] = readme.split(new RegExp(`<!-- /?${marker} -->`))
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

describe('the README', () => {
  test('lists every setting as the code has it', () => {
    const expected = Object.entries(SETTINGS).map(([name, { description, fallback }]) => [
      `\`${name}\``,
      description,
      fallback,
    ])
    expect(readTable('settings')).toEqual(expected)
  })

  test('lists every error as the catalogue has it', () => {
    const expected = Object.entries(ERROR_CATALOGUE).map(([code, { status, title, retryable, action }]) => [
      `\`${code}\``,
      String(status),
      `${title}.`,
      retryable ? 'yes' : 'no',
      action,
    ])
    expect(readTable('errors')).toEqual(expected)
  })

  test('lists every verdict in its order of precedence', () => {
    const expected = VERDICT_CODES.map((code) => [
      `\`${code}\``,
      code === 'VALID' ? 'Everything that was asked holds.' : DENIAL_DETAILS[code],
    ])
    expect(readTable('verdicts')).toEqual(expected)
  })

  test('names only npm scripts that exist', async () => {
    const { scripts } = JSON.parse(await readText('package.json')) as { scripts: Record<string, string> }
    const named = [...readme.matchAll(/npm (?:run )?([a-z]+(?::[a-z]+)?)/g)].map(([, name = '']) => name)
    const own = named.filter((name) => !['ci', 'run', 'does'].includes(name))
    expect(own.length).toBeGreaterThan(5)
    expect(own.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })

  test('links only to files that exist', async () => {
    const links = [...readme.matchAll(/\]\((docs\/[a-z-]+\.md)\)/g)].map(([, path = '']) => path)
    expect(links.length).toBeGreaterThan(1)
    for (const path of links) expect((await readText(path)).length).toBeGreaterThan(0)
  })
})

describe('.env.example', () => {
  test('names every setting once, commented out', async () => {
    const names = (await readText('.env.example')).split('\n').flatMap((line) => /^#([A-Z_]+)=/.exec(line)?.[1] ?? [])
    expect(names).toEqual(Object.keys(SETTINGS))
  })
})
