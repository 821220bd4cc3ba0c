import { expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { MemberInvite, UserPasswordResetCreate } from '../harness/people-operations.ts'
import { findLeaks } from '../harness/records.ts'
import { type AdminSeed, seedAdmin, seedPerson, uniqueName } from '../harness/seed.ts'

let app: TestApp
let admin: AdminSeed

async function start(env: Record<string, string>): Promise<void> {
  app = await startTestApp({ env })
  admin = await seedAdmin(app)
}

async function invite(idempotencyKey?: string, email = `${uniqueName()}@example.com`, tenantId?: string) {
  const input = {
    tenantId: tenantId ?? (await admin.tenant()).tenantId,
    email,
    role: 'VIEWER' as const,
    idempotencyKey,
  }
  const { data } = await sendGraphQL(app, MemberInvite, { input }, admin.accessToken)
  if (data?.memberInvite.__typename !== 'MemberInvitePayload') throw new Error(JSON.stringify(data))
  return data.memberInvite
}

async function createPasswordReset() {
  const { userId: id } = await seedPerson(app)
  const { data } = await sendGraphQL(app, UserPasswordResetCreate, { id }, admin.accessToken)
  if (data?.userPasswordResetCreate.__typename !== 'UserPasswordResetCreatePayload') throw new Error('Not made.')
  return data.userPasswordResetCreate
}

test('where no page is named there is the token alone', async () => {
  await start({})
  try {
    expect(await invite()).toMatchObject({ acceptToken: expect.any(String), acceptUrl: null })
    expect(await createPasswordReset()).toMatchObject({ resetToken: expect.any(String), resetUrl: null })
  } finally {
    await app.stop()
  }
})

test('where pages are named the token comes as a link too, for as long as it is shown, and is kept nowhere', async () => {
  await start({
    INVITATION_URL: 'https://app.example.com/join#{token}',
    PASSWORD_RESET_URL: 'http://localhost:5173/reset?t={token}&from=mail',
  })
  try {
    const { tenantId } = await admin.tenant()
    const first = await invite('once', 'ada@example.com', tenantId)
    expect(first.acceptUrl).toBe(`https://app.example.com/join#${first.acceptToken}`)
    expect(await invite('once', 'ada@example.com', tenantId)).toEqual(first)

    const { resetToken, resetUrl } = await createPasswordReset()
    expect(resetUrl).toBe(`http://localhost:5173/reset?t=${resetToken}&from=mail`)
    expect(await findLeaks(app, [first.acceptToken ?? '', resetToken])).toEqual([])

    app.clock.advance(10 * 60 * 1000)
    expect(await invite('once', 'ada@example.com', tenantId)).toMatchObject({ acceptToken: null, acceptUrl: null })
  } finally {
    await app.stop()
  }
})
