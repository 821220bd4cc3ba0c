import { access, readdir } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { readConfig, SETTINGS } from '../../src/config.ts'
import { ERROR_CATALOGUE } from '../../src/errors/catalogue.ts'
import { DENIAL_DETAILS, VERDICT_CODES } from '../../src/verify/verdict-code.ts'
import { README, ROOT, readTable, readText } from './readme.ts'

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

  test('names every npm script that a person needs, and none that does not exist', async () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(await readText('package.json'))
    const named = new Set(
      [...README.matchAll(/npm (?:run )?([a-z]+(?::[a-z]+)?)(?=[`\n ]| --)/g)].map(([, name = '']) => name),
    )
    const ofNpmItself = ['ci', 'run', 'does']
    expect([...named].filter((name) => !ofNpmItself.includes(name) && !Object.hasOwn(scripts, name))).toEqual([])
    const ofOthers = /^(?:pre|post)|^codegen$/
    expect(Object.keys(scripts).filter((name) => !ofOthers.test(name) && !named.has(name))).toEqual([])
  })

  test('names every room of the code, and none that does not exist', async () => {
    const [, paragraph = ''] = /^(The rooms of `src\/`.*?)Start reading at/ms.exec(README) ?? []
    const named = [...paragraph.matchAll(/`([a-z]+)`/g)].map(([, name = '']) => name)
    const entries = await readdir(new URL('src', ROOT), { withFileTypes: true })
    const rooms = entries.filter((entry) => entry.isDirectory() && entry.name !== 'generated').map(({ name }) => name)
    expect(named.sort()).toEqual(rooms.sort())
  })

  test('links only to files that exist', async () => {
    const links = [...README.matchAll(/\]\(((?!https?:)[^)#]+)\)/g)].map(([, path = '']) => path)
    expect(links.length).toBeGreaterThan(2)
    for (const path of links) await expect(access(new URL(path, ROOT)), path).resolves.toBeUndefined()
  })
})

describe('.env.example', async () => {
  const lines = (await readText('.env.example')).split('\n')
  const settings = lines.flatMap((line) => {
    const [, name = '', value = ''] = /^#([A-Z_]+)=(.*)$/.exec(line) ?? []
    return name === '' ? [] : [{ name, value }]
  })

  test('names every setting once, commented out and described', () => {
    expect(settings.map(({ name }) => name)).toEqual(Object.keys(SETTINGS))
    for (const { description } of Object.values(SETTINGS)) {
      expect(
        lines.some((line) => line.startsWith(`# ${description}`)),
        description,
      ).toBe(true)
    }
  })

  test('shows the values that hold without it', () => {
    const shown = readConfig(Object.fromEntries(settings.map(({ name, value }) => [name, value])))
    expect(shown).toEqual(readConfig({}))
  })
})

describe('the map', async () => {
  const map = await readText('docs/architecture.md')
  const paths = [...map.matchAll(/`((?:src|test|[a-z]+)\/[a-z/-]+(?:\.ts)?)`/g)].map(([, path = '']) => path)

  test('leads only to files and folders that exist', async () => {
    expect(paths.length).toBeGreaterThan(10)
    for (const path of paths) {
      const place = /^(?:src|test)\//.test(path) ? path : `src/${path}`
      await expect(access(new URL(place, ROOT)), path).resolves.toBeUndefined()
    }
  })
})
