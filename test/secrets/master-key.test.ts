import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadOrCreateMasterKey, MASTER_KEY_FILE, parseMasterKey } from '../../src/secrets/master-key.ts'

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyward-master-key-'))
  path = join(folder, MASTER_KEY_FILE)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('a key is made once, and is the same ever after', async () => {
  const first = await loadOrCreateMasterKey(folder)
  expect(first).toHaveLength(32)
  expect(Buffer.from(await loadOrCreateMasterKey(folder)).equals(first)).toBe(true)
})

test('two folders have two keys', async () => {
  const other = await mkdtemp(join(tmpdir(), 'keyward-master-key-'))
  const keys = await Promise.all([folder, other].map(loadOrCreateMasterKey))
  await rm(other, { recursive: true, force: true })
  expect(Buffer.from(keys[0] ?? []).equals(keys[1] ?? Buffer.of())).toBe(false)
})

test('only the owner may read the file, whatever the process allows others by default', async () => {
  const before = process.umask(0)
  try {
    await loadOrCreateMasterKey(folder)
  } finally {
    process.umask(before)
  }
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('of many that start at once one makes the key and all have the same', async () => {
  const keys = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateMasterKey(folder)))
  const spellings = new Set(keys.map((key) => Buffer.from(key).toString('hex')))
  expect(spellings.size).toBe(1)
  expect(await readdir(folder)).toEqual([MASTER_KEY_FILE])
})

test('a draft that a crash left is no obstacle and no key', async () => {
  await writeFile(`${path}.${process.pid}`, 'half a k')
  const key = await loadOrCreateMasterKey(folder)
  expect(key).toHaveLength(32)
  expect(await readdir(folder)).toEqual([MASTER_KEY_FILE])
})

test.each([
  ['half written', randomBytes(32).toString('base64').slice(0, 20)],
  ['empty', ''],
  ['of 31 bytes', randomBytes(31).toString('base64')],
  ['something else', 'not a key at all'],
])(
  'a file that is %s stops the start and stays as it is, since what it sealed may still be saved',
  async (_, content) => {
    await writeFile(path, content)
    await expect(loadOrCreateMasterKey(folder)).rejects.toThrow(
      /does not hold a master key: .* Restore it from a backup\.$/,
    )
    expect(await readFile(path, 'utf8')).toBe(content)
  },
)

test.each([
  ['base64', (bytes: Buffer) => bytes.toString('base64'), true],
  ['base64 with a line end', (bytes: Buffer) => `${bytes.toString('base64')}\n`, true],
  ['base64 without padding', (bytes: Buffer) => bytes.toString('base64').replace('=', ''), false],
  ['hexadecimal', (bytes: Buffer) => bytes.toString('hex'), false],
  ['base64url', () => Buffer.alloc(32, 255).toString('base64url'), false],
  ['base64 with a letter too many', (bytes: Buffer) => `${bytes.toString('base64')}A`, false],
])('a master key in %s is read: %#', (_, spell, isRead) => {
  const bytes = randomBytes(32)
  const key = parseMasterKey(spell(bytes))
  expect(key === null ? null : Buffer.from(key).equals(bytes)).toBe(isRead ? true : null)
})
