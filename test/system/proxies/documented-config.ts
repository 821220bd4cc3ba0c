import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const DOCUMENT = join(import.meta.dirname, '../../../docs/reverse-proxies.md')

/** Where things are in a test, in the place of what the document says. */
export interface Places {
  readonly listenPort: number
  readonly keywardPort: number
  readonly servicePort: number
  readonly verifierToken: string
}

/** The configuration that the document shows, word for word but for ports and the token. Throws when one of them is not there. */
export async function readDocumentedConfig(language: 'nginx' | 'caddyfile', places: Places): Promise<string> {
  const document = await readFile(DOCUMENT, 'utf8')
  const [, config] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(document) ?? []
  if (config === undefined) throw new Error(`${DOCUMENT} shows no configuration for ${language}.`)
  const replacements: readonly (readonly [string, string])[] = [
    language === 'nginx'
      ? ['listen 80;', `listen 127.0.0.1:${places.listenPort};`]
      : [':80 {', `:${places.listenPort} {`],
    ['127.0.0.1:4000', `127.0.0.1:${places.keywardPort}`],
    ['127.0.0.1:8080', `127.0.0.1:${places.servicePort}`],
    ['<verifier token>', places.verifierToken],
  ]
  return replacements.reduce((text, [documented, actual]) => replaceOnce(text, documented, actual), config)
}

export function replaceOnce(text: string, part: string, replacement: string): string {
  if (text.split(part).length !== 2) throw new Error(`The configuration does not hold "${part}" exactly once.`)
  return text.replace(part, () => replacement)
}
