import { createHash } from 'node:crypto'
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import { nameClientNetwork } from '../verify/access/client-network.ts'
import { normalizeEmail } from './account-rules.ts'
import { ACCOUNT_FAILURES_COUNTED_MAX, type LoginFailures, type LoginLimits } from './login-limits.ts'

/** What a login is counted under, whether or not there is such an account. */
export interface LoginSubject {
  readonly account: Uint8Array<ArrayBuffer>
  readonly source: Uint8Array<ArrayBuffer>
}

export function nameLoginSubject(email: string, ip: string | null): LoginSubject {
  return { account: hashText(normalizeEmail(email)), source: hashText(nameClientNetwork(ip)) }
}

/** What a token is counted under that is nobody's: the address that it came from, apart from logins. */
export function nameUnknownTokenSubject(ip: string | null): LoginSubject {
  const source = hashText(`token ${nameClientNetwork(ip)}`)
  return { account: source, source }
}

function hashText(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(text).digest())
}

/** The failures that count now. What lies in the future is from before a clock was set back and counts no more. One statement. */
export async function findLoginFailures(
  prisma: PrismaClient,
  { account, source }: LoginSubject,
  limits: LoginLimits,
  now: Date,
): Promise<LoginFailures> {
  const since = new Date(now.getTime() - limits.windowMs)
  const [found] = await prisma.$queryRaw<LoginFailures[]>`
    WITH counted AS NOT MATERIALIZED (
      SELECT account, source, failed_at FROM login_failures WHERE failed_at > ${since} AND failed_at <= ${now}
    )
    SELECT (SELECT failed_at FROM counted WHERE account = ${account} AND source = ${source}
             ORDER BY failed_at DESC OFFSET ${limits.pairFailuresMax - 1} LIMIT 1) AS "pairFilledAt",
           (SELECT count(*)::int FROM (SELECT FROM counted WHERE account = ${account}
                                        LIMIT ${ACCOUNT_FAILURES_COUNTED_MAX}) AS few) AS "accountFailures",
           (SELECT count(*)::int FROM (SELECT FROM counted WHERE source = ${source}
                                        LIMIT ${limits.sourceFailuresMax}) AS few) AS "sourceFailures",
           (SELECT max(failed_at) FROM counted WHERE source = ${source}) AS "sourceFailedAt"`
  if (found === undefined) throw new Error('Counting returned nothing.')
  return found
}

/** Higher, and one login waits for the forgetting of many. */
const FORGOTTEN_AT_ONCE_MAX = 1_000

/** Notes a failure and forgets some that count no more. One statement, and no part of any transaction. */
export async function insertLoginFailure(
  prisma: PrismaClient,
  failure: LoginSubject & { readonly id: string; readonly now: Date; readonly forgetBefore: Date },
): Promise<void> {
  const { id, account, source, now, forgetBefore } = failure
  await prisma.$executeRaw`
    WITH over AS (SELECT id FROM login_failures WHERE failed_at <= ${forgetBefore}
                   LIMIT ${FORGOTTEN_AT_ONCE_MAX} FOR UPDATE SKIP LOCKED),
         forgotten AS (DELETE FROM login_failures USING over WHERE login_failures.id = over.id)
    INSERT INTO login_failures (id, account, source, failed_at) VALUES (${id}::uuid, ${account}, ${source}, ${now})`
}

/** Forgets the failures of one account from one address: who knows the password need not guess it. One statement. */
export async function deleteLoginFailures(
  prisma: Prisma.TransactionClient,
  { account, source }: LoginSubject,
): Promise<void> {
  await prisma.loginFailure.deleteMany({ where: { account, source } })
}
