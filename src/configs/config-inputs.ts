import { builder } from '../graphql/builder.ts'

export const Weekday = builder.enumType('Weekday', {
  description: 'A day of the week.',
  values: {
    MON: { description: 'Monday.' },
    TUE: { description: 'Tuesday.' },
    WED: { description: 'Wednesday.' },
    THU: { description: 'Thursday.' },
    FRI: { description: 'Friday.' },
    SAT: { description: 'Saturday.' },
    SUN: { description: 'Sunday.' },
  } as const,
})

export const RotationMode = builder.enumType('RotationMode', {
  description: 'What happens when the token of a key is due for rotation.',
  values: {
    NOTIFY: { description: 'An event says so, and again before the deadline; nothing else happens.' },
    ENFORCE: { description: 'The token stops counting at the deadline.' },
    DELIVER: {
      description:
        'A new token is made and sent to the webhook endpoints that asked for it; for a key that holds permissions, as NOTIFY.',
    },
  } as const,
})

export const LeakPolicy = builder.enumType('LeakPolicy', {
  description: 'What becomes of a key when one of its tokens is found in public.',
  values: {
    ALERT: { description: 'An event says so; the key goes on counting.' },
    DISABLE: { description: 'The key is disabled too, until somebody enables it.' },
    REVOKE: { description: 'The key is revoked too, for good.' },
  } as const,
})

const BurstInput = builder.inputType('BurstInput', {
  description: 'A token bucket: so much flows in each second, and so much is kept at most.',
  fields: (t) => ({
    ratePerSecond: t.float({
      required: true,
      description: 'Requests per second on average, 0.001 or more; 0 blocks, -1 is unlimited.',
    }),
    burst: t.int({ required: true, description: 'Requests at once at most, 1 or more.' }),
  }),
})

const TimeWindowInput = builder.inputType('TimeWindowInput', {
  description: 'When a key may be used, by the clock on the wall of a time zone.',
  fields: (t) => ({
    days: t.field({ type: [Weekday], required: true, description: 'The days on which the window begins.' }),
    start: t.field({ type: 'LocalTime', required: true, description: 'When it begins.' }),
    end: t.field({
      type: 'LocalTime',
      required: true,
      description: 'When it ends, exclusive. Before `start`: on the next day. Equal to `start`: the whole day.',
    }),
    timeZone: t.field({ type: 'TimeZone', required: true, description: 'Whose clock.' }),
  }),
})

const RotationPolicyInput = builder.inputType('RotationPolicyInput', {
  description: 'When keys change their tokens.',
  fields: (t) => ({
    everyDays: t.int({ required: true, description: 'Days between rotations, 1 to 3650; -1: never.' }),
    gracePeriodSeconds: t.int({
      required: true,
      description:
        'How long there is to replace a token that is due, and how long a replaced one goes on counting: 0 to 2592000 (30 days), less than the days between.',
    }),
    mode: t.field({ type: RotationMode, required: true, description: 'What happens when it is due.' }),
  }),
})

type InputFields = Parameters<Parameters<typeof builder.inputType>[1]['fields']>[0]

const limitFields = (t: InputFields) => ({
  perSecond: t.field({ type: BurstInput, description: 'Requests per second, with a burst.' }),
  perMinute: t.int({ description: 'Requests in any 60 seconds.' }),
  perHour: t.int({ description: 'Requests in any 60 minutes.' }),
  perDay: t.int({ description: "Requests in a day of the tenant's time zone." }),
  perMonth: t.int({ description: "Requests in a month of the tenant's time zone." }),
  warningPercent: t.int({
    description:
      "How much of a day's or month's quota, or of credits, is used when a warning is due, in percent: 1 to 100; -1: no warning.",
  }),
})

const ruleFields = (t: InputFields) => ({
  ipAllowlist: t.stringList({ description: 'Addresses and CIDR blocks that a request may come from; at most 1000.' }),
  ipDenylist: t.stringList({
    description:
      'Addresses and CIDR blocks that no request may come from, at most 1000, in addition to what other levels deny.',
  }),
  userAgents: t.stringList({
    description: 'Patterns of user agents that may be used, at most 100 of 256 characters; `*` stands for any text.',
  }),
  methods: t.stringList({ description: 'Methods that may be used; at most 32.' }),
  paths: t.stringList({
    description:
      'Patterns of paths that may be asked for, at most 200 of 512 characters; `*` stands for one segment, `**` for any number.',
  }),
  timeWindows: t.field({ type: [TimeWindowInput], description: 'When a request may be made; at most 100 windows.' }),
  corsOrigins: t.stringList({
    description: 'Origins of web pages that may send requests; at most 200 of 300 characters.',
  }),
  rotation: t.field({ type: RotationPolicyInput, description: 'When keys change their tokens.' }),
})

const expectedVersion = (t: InputFields, thing: string) =>
  t.int({ description: `Refuse the change when this is not the version of the ${thing} any more.` })

const SEMANTICS = 'Absent: unchanged; null: inherited; -1: unlimited; 0: blocks; `[]`: no restriction.'

export const ApiKeyConfigInput = builder.inputType('ApiKeyConfigInput', {
  description: `What changes of what a key sets for itself. ${SEMANTICS}`,
  fields: (t) => ({ ...limitFields(t), ...ruleFields(t), expectedVersion: expectedVersion(t, 'key') }),
})

const AggregateLimitsInput = builder.inputType('AggregateLimitsInput', {
  description: `What changes of the limits over all keys of a tenant together. ${SEMANTICS}`,
  fields: limitFields,
})

export const TenantConfigInput = builder.inputType('TenantConfigInput', {
  description: `What changes of what a tenant sets: rules and limits for each of its keys that sets none of its own, and for all together. ${SEMANTICS}`,
  fields: (t) => ({
    ...limitFields(t),
    ...ruleFields(t),
    keyTtlDaysDefault: t.int({
      description: 'Days that a new key lives when nobody says otherwise, 1 to 36500; -1: for ever.',
    }),
    keyTtlDaysMax: t.int({ description: 'Days that a key can live at most, 1 to 36500; -1: for ever.' }),
    leakPolicy: t.field({
      type: LeakPolicy,
      description: 'What becomes of a key when one of its tokens is found in public.',
    }),
    aggregate: t.field({ type: AggregateLimitsInput, description: 'Limits over all keys of the tenant together.' }),
    expectedVersion: expectedVersion(t, 'tenant'),
  }),
})
