import { parse, validate } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { schema } from '../../src/schema.ts'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { Tenants } from '../harness/operations.ts'
import { seedAdmin } from '../harness/seed.ts'
import { paste, sendAsCurlWould } from '../process/paste.ts'
import { README, readBlock } from './readme.ts'

describe('the examples of the README', () => {
  let app: TestApp

  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app?.stop())

  /** As a reader would run it who has set the two variables. */
  function prepare(marker: string): [script: string, env: Record<string, string>] {
    const { verifierToken, demoToken } = app.firstStart
    const script = readBlock(marker).replaceAll('http://127.0.0.1:4000', app.baseUrl)
    return [script, { VERIFIER_TOKEN: verifierToken, DEMO_KEY: demoToken ?? '' }]
  }

  test('the first curl line answers VALID, with the fields that are shown', async () => {
    const answer = JSON.parse(await paste(...prepare('run: VALID')))
    const shown = JSON.parse(readBlock('answer'))
    const { requestId, keyId, tenantId, ...rest } = shown
    expect(answer).toMatchObject(rest)
    expect(Object.keys(answer)).toEqual(Object.keys(shown))
    for (const id of [requestId, keyId, tenantId]) expect(id).toBeTypeOf('string')
  })

  test('the second one answers INSUFFICIENT_SCOPE and names what is missing', async () => {
    expect(JSON.parse(await paste(...prepare('run: INSUFFICIENT_SCOPE')))).toMatchObject({
      valid: false,
      code: 'INSUFFICIENT_SCOPE',
      missingScopes: ['orders:write'],
    })
  })

  test('where there is no curl, these tests send the same request', async () => {
    expect(JSON.parse(await sendAsCurlWould(...prepare('run: VALID')))).toMatchObject({ code: 'VALID' })
  })

  test('the documents make a key and revoke it', async () => {
    const { accessToken } = await seedAdmin(app)
    const { data } = await sendGraphQL(app, Tenants, { first: 10 }, accessToken)
    const tenant = data?.tenants.nodes.find(({ slug }) => slug === 'acme')?.id
    const [create = '', revoke = ''] = readBlock('run: key').split(/^(?=mutation Revoke)/m)

    const created = await sendGraphQL<Record<string, unknown>, object>(app, create, { tenant }, accessToken)
    expect(created.data).toMatchObject({ apiKeyCreate: { token: expect.stringMatching(/^acme_live_/) } })
    const { token, apiKey }: { token: string; apiKey: { id: string } } = JSON.parse(
      JSON.stringify(created.data?.apiKeyCreate),
    )
    const revoked = await sendGraphQL<Record<string, unknown>, object>(app, revoke, { id: apiKey.id }, accessToken)
    expect(revoked.data).toMatchObject({ apiKeyRevoke: { apiKey: { status: 'REVOKED' } } })

    const [script, env] = prepare('run: VALID')
    expect(JSON.parse(await paste(script, { ...env, DEMO_KEY: token }))).toMatchObject({ code: 'REVOKED' })
  })

  test('every GraphQL document is valid', () => {
    const documents = [...README.matchAll(/^```graphql\n(.*?)^```$/gms)].map(([, text = '']) => text)
    expect(documents).not.toEqual([])
    for (const document of documents) expect(validate(schema, parse(document))).toEqual([])
  })
})
