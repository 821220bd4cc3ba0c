import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  PERMISSION_NAMES,
  PERMISSIONS,
  permissionScope,
  permissionsOfScope,
  roleHolds,
} from '../../src/actors/permissions.ts'
import { isScopeName } from '../../src/scopes/scope-name.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { Permissions } from '../harness/operations.ts'
import { seedUser } from '../harness/seed.ts'

describe('the table of permissions', () => {
  test('has a permission for each thing that a program would be given alone', () => {
    expect(PERMISSION_NAMES.length).toBeGreaterThanOrEqual(40)
  })

  test.each(PERMISSION_NAMES)('names %s so that a key can hold it as a scope', (name) => {
    const scope = permissionScope(name)
    expect(isScopeName(scope)).toBe(true)
    expect(permissionsOfScope(scope)).toEqual([name])
  })

  test.each([
    ['OWNER', 'ADMIN'],
    ['ADMIN', 'DEVELOPER'],
    ['DEVELOPER', 'VIEWER'],
  ] as const)('lets an %s do all that a %s may', (higher, lower) => {
    const missing = PERMISSION_NAMES.filter((name) => roleHolds(lower, name) && !roleHolds(higher, name))
    expect(missing).toEqual([])
  })

  test('lets a VIEWER read and do nothing else', () => {
    const held = PERMISSION_NAMES.filter((name) => roleHolds('VIEWER', name))
    expect(held.filter((name) => !/:(read|export)$/.test(name))).toEqual([])
  })

  test.each([
    ['keyward:*', PERMISSION_NAMES],
    ['keyward:audit:*', ['audit:read', 'audit:verify', 'audit:export']],
    ['keyward:nothing:*', []],
    ['keyward:aud:*', []],
    ['orders:read', []],
  ])('reads %s as what it stands for', (scope, permissions) => {
    expect(permissionsOfScope(scope)).toEqual(permissions)
  })
})

describe('the query of permissions', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app.stop())

  test('lists the whole table to whoever is logged in', async () => {
    const { accessToken } = await seedUser(app)
    const { data, errors } = await sendGraphQL(app, Permissions, {}, accessToken)
    expect(errors).toEqual([])
    expect(data?.permissions).toEqual(
      PERMISSION_NAMES.map((name) => ({ name, scope: `keyward:${name}`, ...PERMISSIONS[name] })),
    )
  })
})
