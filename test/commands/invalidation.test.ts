import { describe, expect, test } from 'vitest'
import { formatInvalidations, type Invalidation, parseInvalidations } from '../../src/commands/invalidation.ts'

const CHANGES: Invalidation[] = [
  { kind: 'key', apiKeyId: '01900000-0000-7000-8000-000000000001' },
  { kind: 'tenant', tenantId: '01900000-0000-7000-8000-000000000002' },
  { kind: 'token', hash: 'ab'.repeat(32) },
  { kind: 'prefix', prefix: 'acme' },
]

describe('the messages of changes', () => {
  test('arrive at other servers as they were sent', () => {
    const [message = ''] = formatInvalidations('one', CHANGES)
    expect(parseInvalidations('other', message)).toEqual(CHANGES)
  })

  test('say nothing to the server that sent them', () => {
    const [message = ''] = formatInvalidations('one', CHANGES)
    expect(parseInvalidations('one', message)).toEqual([])
  })

  test('stay below the 8000 bytes that PostgreSQL takes, however many changes there are', () => {
    const many = Array.from({ length: 1000 }, () => CHANGES).flat()
    const messages = formatInvalidations('01900000-0000-7000-8000-00000000000f', many)
    for (const message of messages) expect(Buffer.byteLength(message)).toBeLessThan(7_500)
    expect(messages.flatMap((message) => parseInvalidations('other', message))).toEqual(many)
  })

  test.each(['', '{', '[]', '{"from":"one"}', '{"from":"one","changes":[{"kind":"planet"}]}'])(
    'of which one cannot be read are told from those that say nothing: %j',
    (payload) => {
      expect(parseInvalidations('other', payload)).toBeNull()
    },
  )
})
