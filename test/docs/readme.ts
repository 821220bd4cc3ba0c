import { readFile } from 'node:fs/promises'

export const ROOT = new URL('../../', import.meta.url)

export const readText = (path: string) => readFile(new URL(path, ROOT), 'utf8')

export const README = await readText('README.md')

/** The cells of a table that stands between two markers, without its head. */
export function readTable(marker: string): string[][] {
  const [, section = ''] = README.split(new RegExp(`<!-- /?${marker} -->`))
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

/** The code block that follows a marker. */
export function readBlock(marker: string): string {
  const [, rest = ''] = README.split(`<!-- ${marker} -->`)
  const block = /^\n```[a-z]+\n(.*?)^```$/ms.exec(rest)?.[1]
  if (block === undefined) throw new Error(`The README has no block after <!-- ${marker} -->.`)
  return block
}
