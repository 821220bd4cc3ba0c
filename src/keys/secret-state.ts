export type SecretState = 'PENDING' | 'ACTIVE' | 'RETIRING' | 'RETIRED'

/** What a secret's times say about it. It is retired from the millisecond of `retiresAt` on. */
export function deriveSecretState(
  { activatedAt, retiresAt }: { activatedAt: Date | null; retiresAt: Date | null },
  now: Date,
): SecretState {
  if (retiresAt !== null) return retiresAt <= now ? 'RETIRED' : 'RETIRING'
  return activatedAt === null ? 'PENDING' : 'ACTIVE'
}
