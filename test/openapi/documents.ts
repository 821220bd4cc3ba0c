import { readFileSync } from 'node:fs'

export const PETSTORE = readFileSync(new URL('../vectors/petstore.openapi.yaml', import.meta.url), 'utf8')

/** A document with these operations, as `GET /pets`, each with its id or none. */
export function openApi(operations: Record<string, object>, extra: object = {}): string {
  const paths: Record<string, Record<string, object>> = {}
  for (const [operation, content] of Object.entries(operations)) {
    const [method = '', path = ''] = operation.split(' ')
    paths[path] = { ...paths[path], [method.toLowerCase()]: content }
  }
  return JSON.stringify({ openapi: '3.1.0', info: { title: 'Pets', version: '7' }, paths, ...extra })
}
