import { RefillInterval as RefillIntervalValues } from '../generated/prisma/enums.ts'
import { builder } from '../graphql/builder.ts'
import { IDEMPOTENCY_KEY_DESCRIPTION } from '../graphql/idempotency-key.ts'
import { commandErrors } from '../graphql/user-errors.ts'
import { addCredits } from './add-credits.ts'
import { changedKeyPayload } from './changed-key-payload.ts'
import { type CreditBalance, computeBalance } from './credit-balance.ts'
import { ApiKey } from './key-type.ts'
import { setCredits } from './set-credits.ts'

const RefillInterval = builder.enumType('RefillInterval', {
  description: 'How often spent credits are filled up again.',
  values: {
    [RefillIntervalValues.DAY]: { description: "At the beginning of each day of the tenant's time zone." },
    [RefillIntervalValues.MONTH]: { description: "At the beginning of each month of the tenant's time zone." },
  },
})

const CreditRefill = builder.objectRef<NonNullable<CreditBalance['refill']>>('CreditRefill').implement({
  description: 'How spent credits are filled up again.',
  fields: (t) => ({
    amount: t.exposeInt('amount', { description: 'What a refill fills up to; what is above it stays.' }),
    every: t.expose('every', { type: RefillInterval, description: 'How often.' }),
    nextAt: t.expose('nextAt', { type: 'DateTime', description: 'When the next refill is due.' }),
  }),
})

const Credits = builder.objectRef<CreditBalance>('Credits').implement({
  description: 'What a key can spend: each verification takes its cost, and none is answered VALID without.',
  fields: (t) => ({
    remaining: t.expose('remaining', { type: 'SafeInt', description: 'What is left to spend.' }),
    refill: t.expose('refill', {
      type: CreditRefill,
      nullable: true,
      description: 'How spent credits are filled up again; null: they are not.',
    }),
  }),
})

builder.prismaObjectField(ApiKey, 'credits', (t) =>
  t.field({
    type: Credits,
    nullable: true,
    description: 'What the key can spend; null for a key that spends no credits.',
    select: { credits: true, tenant: { select: { timeZone: true } } },
    resolve: ({ id, credits, tenant }, _args, { clock, leasedCredits }) =>
      credits && computeBalance(credits, leasedCredits(id), tenant.timeZone, new Date(clock.now())),
  }),
)

const CreditRefillInput = builder.inputType('CreditRefillInput', {
  description: 'How spent credits are filled up again.',
  fields: (t) => ({
    amount: t.int({ required: true, description: 'What a refill fills up to, 1 or more; what is above it stays.' }),
    every: t.field({ type: RefillInterval, required: true, description: 'How often.' }),
  }),
})

export const CreditsInput = builder.inputType('CreditsInput', {
  description: 'What a key can spend from now on.',
  fields: (t) => ({
    amount: t.int({ required: true, description: 'What is there now, whatever was left; 0 blocks.' }),
    refill: t.field({ type: CreditRefillInput, description: 'How it is filled up again; not at all when absent.' }),
  }),
})

const ApiKeyCreditsAddInput = builder.inputType('ApiKeyCreditsAddInput', {
  description: 'What a key can spend in addition.',
  fields: (t) => ({
    amount: t.int({ required: true, description: 'How much, 1 or more.' }),
    idempotencyKey: t.string({ description: IDEMPOTENCY_KEY_DESCRIPTION }),
  }),
})

builder.mutationFields((t) => ({
  apiKeyCreditsSet: t.field({
    type: changedKeyPayload('ApiKeyCreditsSetPayload', 'The key whose credits were set.'),
    description: 'Set what a key can spend and how it is refilled, whatever was left. Requires `credits:write`.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      input: t.arg({ type: CreditsInput, required: true, description: 'What it can spend.' }),
    },
    resolve: (_root, { id, input }, ctx) => ctx.execute(setCredits, { id, credits: input }),
  }),
  apiKeyCreditsAdd: t.field({
    type: changedKeyPayload('ApiKeyCreditsAddPayload', 'The key that has more credits.'),
    description:
      'Add to what a key can spend. Each call adds; to send one again without adding twice, give it an `idempotencyKey`. Requires `credits:write`.',
    errors: commandErrors('VALIDATION_FAILED', 'CONFLICT', 'NOT_FOUND'),
    args: {
      id: t.arg.id({ required: true, description: 'The key.' }),
      input: t.arg({ type: ApiKeyCreditsAddInput, required: true, description: 'How much.' }),
    },
    resolve: (_root, { id, input }, ctx) => ctx.execute(addCredits, { id, ...input }),
  }),
}))
