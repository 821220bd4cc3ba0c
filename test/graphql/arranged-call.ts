import { ADMIN_PASSWORD, type TestApp } from '../harness/app.ts'
import { sendGraphQL } from '../harness/client.ts'
import { MemberInvite, UserPasswordResetCreate } from '../harness/people-operations.ts'
import {
  type AdminSeed,
  seedInvitation,
  seedPerson,
  seedSession,
  type TenantSeed,
  uniqueName,
} from '../harness/seed.ts'
import { FIELD_CASES, type FieldCase, type ThingIds } from './field-cases.ts'

/** A call of a root field that does what the field is for, provided that its caller may. */
export interface ArrangedCall {
  readonly tenant: TenantSeed
  readonly fieldCase: FieldCase
  readonly ids: ThingIds
  readonly variables: Record<string, unknown>
}

interface Scene {
  readonly app: TestApp
  readonly admin: AdminSeed
  readonly tenant: TenantSeed
  readonly ids: ThingIds
  readonly keyName: string
  /** Address of the member that `ids` names. */
  readonly email: string
}

const NEW_PASSWORD = 'orange staple under rivers'

/** Without which a field would have nothing to do. */
const BEFOREHAND: Readonly<Record<string, string>> = {
  'Mutation.tenantResume': 'Mutation.tenantSuspend',
  'Mutation.apiKeyEnable': 'Mutation.apiKeyDisable',
  'Mutation.apiKeyCreditsAdd': 'Mutation.apiKeyCreditsSet',
  'Mutation.openApiOperationsDelete': 'Mutation.scopesFromOpenApi',
}

/** What is sent where the ids of things are not enough. */
const VARIABLES: Readonly<Record<string, (scene: Scene) => object | Promise<object>>> = {
  'Mutation.sessionCreate': ({ email }) => ({ input: { email, password: ADMIN_PASSWORD } }),
  'Mutation.sessionRefresh': async ({ app, email }) => {
    const { refreshToken } = await seedSession(app, email)
    return { input: { refreshToken } }
  },
  'Mutation.passwordChange': () => ({ input: { currentPassword: ADMIN_PASSWORD, newPassword: NEW_PASSWORD } }),
  'Mutation.passwordReset': async ({ app, admin, ids: { userId } }) => {
    const { data } = await sendGraphQL(app, UserPasswordResetCreate, { id: userId }, admin.accessToken)
    if (data?.userPasswordResetCreate.__typename !== 'UserPasswordResetCreatePayload')
      throw new Error(JSON.stringify(data))
    return { input: { token: data.userPasswordResetCreate.resetToken, newPassword: NEW_PASSWORD } }
  },
  'Mutation.userDelete': ({ ids: { userId }, email }) => ({ id: userId, confirmEmail: email }),
  'Mutation.invitationAccept': async ({ app, admin, ids: { tenantId } }) => {
    const input = { tenantId, email: `${uniqueName()}@example.com`, role: 'VIEWER' as const }
    const { data } = await sendGraphQL(app, MemberInvite, { input }, admin.accessToken)
    if (data?.memberInvite.__typename !== 'MemberInvitePayload') throw new Error(JSON.stringify(data))
    return { input: { token: data.memberInvite.acceptToken, password: NEW_PASSWORD } }
  },
  'Mutation.apiKeyDelete': ({ ids: { apiKeyId }, keyName }) => ({ id: apiKeyId, confirmName: keyName }),
  'Mutation.tenantDelete': ({ ids: { tenantId }, tenant }) => ({ id: tenantId, confirmSlug: tenant.slug }),
}

/** In a tenant of its own, so that calls do not see what others did. */
export async function arrangeCall(app: TestApp, admin: AdminSeed, name: string): Promise<ArrangedCall> {
  const fieldCase = FIELD_CASES[name]
  if (fieldCase === undefined) throw new Error(`There is no case of ${name}.`)
  const tenant = await admin.tenant()
  const { tenantId } = tenant
  const keyName = uniqueName()
  const { apiKeyId } = await tenant.key({ name: keyName })
  const scopeId = await tenant.scope(`${uniqueName()}:read`)
  const { userId, email } = await seedPerson(app, { tenantId, role: 'VIEWER' })
  const ids: ThingIds = { tenantId, apiKeyId, scopeId, userId, invitationId: await seedInvitation(app, tenantId) }

  const before = FIELD_CASES[BEFOREHAND[name] ?? '']
  if (before) await sendGraphQL(app, before.document, before.variables?.(ids) ?? {}, admin.accessToken)
  const special = await VARIABLES[name]?.({ app, admin, tenant, ids, keyName, email })
  return { tenant, fieldCase, ids, variables: { ...(special ?? fieldCase.variables?.(ids)) } }
}

/** What an answer says of whether its caller may. */
export type Outcome = 'allowed' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'hidden'

/** Throws for a failure of any other kind: whoever may do something must be shown to be able to do it. */
export function readOutcome(answer: {
  readonly data: Readonly<Record<string, unknown>> | null
  readonly errors: readonly { readonly extensions: { readonly code: string } }[]
}): Outcome {
  const code = answer.errors[0]?.extensions.code
  if (code === 'UNAUTHENTICATED' || code === 'FORBIDDEN') return code
  if (code === 'NOT_FOUND') return 'hidden'
  const [value] = Object.values(answer.data ?? {})
  if (code === undefined && value === null) return 'hidden'
  const { __typename, code: failure, rows } = toResult(value)
  if (failure === 'NOT_FOUND') return 'hidden'
  const isDone = failure === undefined && (rows ?? []).every(({ error }) => error === null)
  if (code === undefined && isDone && (rows === undefined || __typename === 'BulkPayload')) return 'allowed'
  throw new Error(`Failed otherwise: ${JSON.stringify(answer)}`)
}

interface Result {
  readonly __typename?: string
  readonly code?: string
  readonly rows?: readonly { readonly error: unknown }[]
}

function toResult(value: unknown): Result {
  return typeof value === 'object' && value !== null ? value : {}
}
