import type { RotationPolicy } from '../configs/effective-config.ts'
import { isReservedScope } from '../scopes/scope-name.ts'
import { addDays, findDueNotice } from './notice-schedule.ts'
import { computeRetirement } from './rotation-rules.ts'

/** What a policy must know of a token of a key. */
export interface PolicySecret {
  readonly id: string
  /** Null while it waits for its first use. */
  readonly activatedAt: Date | null
  readonly retiresAt: Date | null
  /** By when the token was asked to be replaced; null while nobody was told that it is due. */
  readonly rotationDeadlineAt: Date | null
  readonly rotationToldAt: Date | null
  /** Until when a token that a policy made is kept to be delivered. */
  readonly deliverBy: Date | null
}

export interface PolicySituation<Secret extends PolicySecret> {
  readonly policy: RotationPolicy
  /** Those that have not retired. */
  readonly secrets: readonly Secret[]
  readonly keyExpiresAt: Date | null
  /** Days before a deadline at which it is told again. */
  readonly noticeDays: readonly number[]
  readonly now: Date
}

export type PolicyStep<Secret extends PolicySecret> =
  | {
      readonly kind: 'announce'
      readonly secret: Secret
      readonly dueAt: Date
      readonly deadline: Date
      /** Whether the token is to stop counting at the deadline. */
      readonly retires: boolean
    }
  | { readonly kind: 'deliver' }

/**
 * What a rotation policy asks for now; null: nothing. A token is due so many days after it began to count. The grace of the
 * policy begins when that is first told, never before: whoever sets a policy today gives the old tokens their grace from
 * today on.
 *
 * NOTIFY tells that the token is due, and again on each of the days before the deadline that lie within the grace.
 * ENFORCE does the same, and the token stops counting at the deadline, whether or not a server runs then.
 * DELIVER makes a new token, which waits for its first use. One that nobody received in time is replaced by another; one
 * that a person asked for is left to that person.
 */
export function planPolicyStep<Secret extends PolicySecret>(
  situation: PolicySituation<Secret>,
): PolicyStep<Secret> | null {
  const { policy, secrets, now } = situation
  const secret = secrets.find(standsForKey)
  const dueAt = findRotationDueAt(policy, secrets)
  if (secret === undefined || dueAt === null || now < dueAt) return null
  if (policy.mode !== 'DELIVER') return planAnnouncement(situation, secret, dueAt)
  const pending = secrets.find(({ activatedAt }) => activatedAt === null)
  const isOnItsWay = pending !== undefined && (pending.deliverBy === null || pending.deliverBy > now)
  return isOnItsWay ? null : { kind: 'deliver' }
}

/** When the token that stands for the key is due to be replaced; null when none does, or when no policy asks for it. */
export function findRotationDueAt(
  policy: RotationPolicy | null,
  secrets: readonly Pick<PolicySecret, 'activatedAt' | 'retiresAt' | 'rotationDeadlineAt'>[],
): Date | null {
  const activatedAt = secrets.find(standsForKey)?.activatedAt ?? null
  return policy === null || activatedAt === null ? null : addDays(activatedAt, policy.everyDays)
}

/**
 * The policy as it holds for a key with these scopes. A token of a key that holds permissions is delivered to nobody:
 * who sets policies and receives deliveries need not hold those permissions, and would have them by the token. Instead it
 * is told that it is due.
 */
export function restrictPolicy(policy: RotationPolicy, scopes: readonly string[]): RotationPolicy {
  return policy.mode === 'DELIVER' && scopes.some(isReservedScope) ? { ...policy, mode: 'NOTIFY' } : policy
}

/** The token that counts and that no other has replaced; the end that a policy set it does not count as one. */
function standsForKey({
  activatedAt,
  retiresAt,
  rotationDeadlineAt,
}: Pick<PolicySecret, 'activatedAt' | 'retiresAt' | 'rotationDeadlineAt'>): boolean {
  return activatedAt !== null && (retiresAt === null || retiresAt.getTime() === rotationDeadlineAt?.getTime())
}

function planAnnouncement<Secret extends PolicySecret>(
  { policy, keyExpiresAt, noticeDays, now }: PolicySituation<Secret>,
  secret: Secret,
  dueAt: Date,
): PolicyStep<Secret> | null {
  const { rotationDeadlineAt: told, rotationToldAt } = secret
  const retires = policy.mode === 'ENFORCE' && secret.retiresAt === null
  if (told === null || retires) {
    const deadline = computeRetirement(now, policy.gracePeriodSeconds, keyExpiresAt)
    return { kind: 'announce', secret, dueAt, deadline, retires }
  }
  const isReminder = told > now && findDueNotice(told, noticeDays, rotationToldAt ?? now, now) !== null
  return isReminder ? { kind: 'announce', secret, dueAt, deadline: told, retires } : null
}
