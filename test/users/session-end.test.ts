import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { SessionEnd, Viewer } from '../harness/operations.ts'
import { findAuditRecords, findOutboxRecords } from '../harness/records.ts'
import { seedAdmin, seedSession, seedUser, uuidOf } from '../harness/seed.ts'

let app: TestApp

beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())

test('a session that is ended counts no more from the next request on, and the log says who ended it', async () => {
  const { tenantId } = await (await seedAdmin(app)).tenant()
  const user = await seedUser(app, { tenantId, role: 'VIEWER' })
  const headers = { 'x-request-id': 'end-1', 'user-agent': 'a browser' }
  const { data } = await sendGraphQL(app, SessionEnd, {}, user.accessToken, headers)
  expect(data?.sessionEnd).toEqual({ __typename: 'SessionEndPayload', ended: true })

  const after = await sendGraphQL(app, Viewer, {}, user.accessToken)
  expect(after).toMatchObject({
    status: 401,
    data: null,
    errors: [{ message: 'The session has ended; log in again.', extensions: { code: 'UNAUTHENTICATED' } }],
  })
  expect(await findAuditRecords(app, 'end-1')).toEqual([
    {
      tenant_id: uuidOf(tenantId),
      action: 'session.ended',
      outcome: 'SUCCESS',
      actor_kind: 'USER',
      actor_id: uuidOf(user.userId),
      resource_type: 'Session',
      resource_id: expect.stringMatching(/^ses_/),
      detail: {},
      occurred_at: new Date(app.clock.now()),
      ip: '127.0.0.1',
      user_agent: 'a browser',
      correlation_id: 'end-1',
    },
  ])
  expect(await findOutboxRecords(app, 'end-1')).toEqual([])
})

test('ending a session twice is unauthenticated the second time', async () => {
  const { accessToken } = await seedUser(app)
  await sendGraphQL(app, SessionEnd, {}, accessToken)
  const again = await sendGraphQL(app, SessionEnd, {}, accessToken)
  expect(again).toMatchObject({ status: 401, errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
})

test('of two ends of one session in one document the second finds it ended, and the log has one', async () => {
  const { accessToken } = await seedUser(app)
  const ended = '{ ... on SessionEndPayload { ended } ... on UserError { code message } }'
  const document = `mutation { first: sessionEnd ${ended} second: sessionEnd ${ended} }`
  const { data } = await sendGraphQL(app, document, {}, accessToken, { 'x-request-id': 'end-twice' })
  expect(data).toEqual({
    first: { ended: true },
    second: { code: 'NOT_FOUND', message: 'The session has ended already.' },
  })
  expect((await findAuditRecords(app, 'end-twice')).map(({ action }) => action)).toEqual(['session.ended'])
})

test('the other sessions of the person go on', async () => {
  const user = await seedUser(app)
  const other = await seedSession(app, user.email)
  await sendGraphQL(app, SessionEnd, {}, user.accessToken)
  expect((await sendGraphQL(app, Viewer, {}, other.accessToken)).data?.viewer).not.toBeNull()
})

test('nobody in particular has no session to end, and no line in the log either', async () => {
  const answer = await sendGraphQL(app, SessionEnd, {}, undefined, { 'x-request-id': 'end-anonymous' })
  expect(answer).toMatchObject({ data: null, errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
  expect(await findAuditRecords(app, 'end-anonymous')).toEqual([])
})
