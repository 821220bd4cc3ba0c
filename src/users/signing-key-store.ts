import { z } from 'zod'
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import type { Envelope } from '../secrets/envelope.ts'
import type { AccessTokenKey } from './access-tokens.ts'

const PURPOSE = 'ACCESS_TOKEN'

const ed25519Jwk = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  d: z.string().exactOptional(),
})

const sealPurpose = (keyId: string) => `signing key ${keyId}`

/** The newest key that access tokens are signed with; null before the first start is complete. */
export async function findAccessTokenKey(find: PrismaClient, envelope: Envelope): Promise<AccessTokenKey | null> {
  const row = await find.signingKey.findFirst({ where: { purpose: PURPOSE }, orderBy: { createdAt: 'desc' } })
  if (row === null) return null
  const opened = Buffer.from(envelope.open(row.sealedPrivateKey, sealPurpose(row.id))).toString()
  return {
    keyId: row.id,
    publicJwk: ed25519Jwk.parse(row.publicJwk),
    privateJwk: ed25519Jwk.parse(JSON.parse(opened)),
  }
}

export async function insertAccessTokenKey(
  tx: Prisma.TransactionClient,
  envelope: Envelope,
  key: AccessTokenKey,
  now: Date,
): Promise<void> {
  await tx.signingKey.create({
    data: {
      id: key.keyId,
      purpose: PURPOSE,
      publicJwk: ed25519Jwk.parse(key.publicJwk),
      sealedPrivateKey: envelope.seal(Buffer.from(JSON.stringify(key.privateJwk)), sealPurpose(key.keyId)),
      createdAt: now,
    },
  })
}
