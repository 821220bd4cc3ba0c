import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BULK_CHUNK_ROWS, BULK_DOCUMENT_BYTES_MAX, hashDocument } from '../../src/commands/bulk-document.ts'

const hashWhole = (document: unknown): string => createHash('sha256').update(JSON.stringify(document)).digest('hex')

test('the hash of a document that is written in parts is that of its JSON', async () => {
  const documents = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.string(), fc.oneof(fc.jsonValue(), fc.array(fc.jsonValue()))),
  )
  await fc.assert(
    fc.asyncProperty(documents, async (document) => {
      expect(await hashDocument(document)).toBe(hashWhole(document))
    }),
  )
})

test.each([0, 1, BULK_CHUNK_ROWS, BULK_CHUNK_ROWS + 1, 3 * BULK_CHUNK_ROWS])(
  'and so it is with %i rows',
  async (count) => {
    const scopes = Array.from({ length: count }, (_, place) => ({ name: `orders:${place}`, description: 'é' }))
    const document = { version: '1.0.0', scopes, note: null }
    expect(await hashDocument(document)).toBe(hashWhole(document))
  },
)

test('a document has so many bytes and no more', async () => {
  const bytesAround = 'x'.repeat(BULK_DOCUMENT_BYTES_MAX - 2)
  await expect(hashDocument(bytesAround)).resolves.toHaveLength(64)
  await expect(hashDocument(`${bytesAround}x`)).rejects.toMatchObject({
    code: 'VALIDATION_FAILED',
    issues: [{ detail: expect.stringContaining(`at most ${BULK_DOCUMENT_BYTES_MAX}`) }],
  })
})
