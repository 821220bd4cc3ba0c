import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { schema } from '../../src/schema.ts'
import { ACCEPTED_CHANGES } from './accepted-changes.ts'
import { findDeprecationFaults, findForbiddenChanges, schemaOf } from './schema-policy.ts'

const RELEASED = await readFile(new URL('released.graphql', import.meta.url), 'utf8')

test('what is deprecated says what takes its place and until when it stays', () => {
  expect(findDeprecationFaults(schema)).toEqual([])
})

test('nothing that was released is taken away or changed unless it was deprecated in time', () => {
  const forbidden = findForbiddenChanges(RELEASED, schema, new Date())
  expect(
    forbidden.filter((change) => !Object.hasOwn(ACCEPTED_CHANGES, change)),
    'These break clients of the last release. Deprecate instead, or accept it: docs/graphql.md says how.',
  ).toEqual([])
})

test('no change is accepted that is none', () => {
  const forbidden = findForbiddenChanges(RELEASED, schema, new Date())
  expect(Object.keys(ACCEPTED_CHANGES).filter((change) => !forbidden.includes(change))).toEqual([])
})

describe('a deprecation', () => {
  const faultsOf = (reason: string) =>
    findDeprecationFaults(
      schemaOf(`
        type Query { old: Int @deprecated(reason: "${reason}") new(arg: Int): Int gone: Int @deprecated(reason: "Use \`new\`. Removed after 2027-01-01.") }
        enum Kind { A B }
      `),
    )

  test.each([
    'Use `new`. Removed after 2027-01-01.',
    'Use `Query.new`. Removed after 2027-01-01.',
    'Use `Kind.A`. Removed after 2027-12-31.',
  ])('may say: %s', (reason) => {
    expect(faultsOf(reason)).toEqual([])
  })

  test.each([
    'No longer supported',
    'Use `new`.',
    'Use new. Removed after 2027-01-01.',
    'Use `new`. Removed after summer.',
    'Use `new`. Removed after 2027-13-01.',
    'Use `nowhere`. Removed after 2027-01-01.',
    'Use `Nowhere.new`. Removed after 2027-01-01.',
    'Use `Kind.C`. Removed after 2027-01-01.',
    'Use `gone`. Removed after 2027-01-01.',
  ])('may not say: %s', (reason) => {
    expect(faultsOf(reason)).toEqual([`Query.old: ${reason}`])
  })

  test('is found on fields, arguments, input fields and values of enums', () => {
    const faults = findDeprecationFaults(
      schemaOf(`
        type Query { a(b: Int @deprecated, c: In): Kind @deprecated }
        input In { d: Int @deprecated }
        enum Kind { E @deprecated F }
        interface Named { g: Int @deprecated }
      `),
    )
    expect(faults.map((fault) => fault.replace(/:.*/, '')).sort()).toEqual([
      'In.d',
      'Kind.E',
      'Named.g',
      'Query.a',
      'Query.a(b)',
    ])
  })
})

describe('against the released schema', () => {
  const released = `
    interface Node { id: ID! }
    type Query {
      kept(arg: Int, soon: Int @deprecated(reason: "Use \`arg\`. Removed after 2027-01-01.")): Thing
      old: OldThing @deprecated(reason: "Use \`kept\`. Removed after 2027-01-01.")
    }
    type Thing implements Node { id: ID! kind: Kind }
    type OldThing { answer: OldAnswer }
    union OldAnswer = OldPart
    type OldPart { text: String }
    enum Kind { A B @deprecated(reason: "Use \`A\`. Removed after 2027-01-01.") }
  `
  const without = `
    interface Node { id: ID! }
    type Query { kept(arg: Int): Thing }
    type Thing implements Node { id: ID! kind: Kind }
    enum Kind { A }
  `
  const changes = (text: string, today: string) => findForbiddenChanges(released, schemaOf(text), new Date(today))

  test('the same schema is allowed, and so is one with more in it', () => {
    expect(changes(released, '2026-12-01')).toEqual([])
    expect(changes(released.replace('type Thing', 'type More { a: Int } type Thing'), '2026-12-01')).toEqual([])
  })

  test('what was deprecated may go after its date, with all that only it led to', () => {
    expect(changes(without, '2027-01-02')).toEqual([])
  })

  test('what was deprecated may not go before that', () => {
    expect(changes(without, '2027-01-01').sort()).toEqual([
      'B was removed from enum type Kind.',
      'OldAnswer was removed.',
      'OldPart was removed.',
      'OldThing was removed.',
      'Query.kept arg soon was removed.',
      'Query.old was removed.',
    ])
  })

  test.each([
    ['a field that is gone', 'kind: Kind', '', ['Thing.kind was removed.']],
    ['a field that can be null now', 'id: ID! kind', 'id: ID kind', ['Thing.id changed type from ID! to ID.']],
    [
      'an argument that is required now',
      'kept(arg: Int)',
      'kept(arg: Int!)',
      ['Query.kept arg arg has changed type from Int to Int!.'],
    ],
    [
      'a new argument that is required',
      'kept(arg: Int)',
      'kept(arg: Int, more: Int!)',
      ['A required arg more on Query.kept was added.'],
    ],
  ])('%s is a change that breaks clients', (_, part, instead, expected) => {
    const text = without.replace(part, instead).replace(/interface Node \{ id: ID! \}|implements Node/g, '')
    const found = changes(text, '2027-01-02').filter((change) => !/Node/.test(change))
    expect(found).toEqual(expected)
  })
})
