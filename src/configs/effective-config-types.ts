import { builder } from '../graphql/builder.ts'
import { LeakPolicy } from './config-inputs.ts'
import { Burst, RotationPolicy, TimeWindow } from './config-types.ts'
import type {
  Burst as BurstValue,
  ConfigSource as ConfigSourceName,
  Effective,
  EffectiveConfig,
  EffectiveDenylist as EffectiveDenylistValue,
  EffectiveLimits as EffectiveLimitsValue,
  LeakPolicy as LeakPolicyValue,
  RotationPolicy as RotationPolicyValue,
  TimeWindow as TimeWindowValue,
} from './effective-config.ts'

const ConfigSource = builder.enumType('ConfigSource', {
  description: 'Which level a value comes from.',
  values: {
    KEY: { description: 'The key sets it.' },
    TENANT: { description: 'The key leaves it to its tenant, which sets it.' },
    SYSTEM: { description: 'Neither sets it; the installation decides.' },
  } satisfies Record<ConfigSourceName, { description: string }>,
})

const SOURCE = { type: ConfigSource, description: 'Where it comes from.' } as const

const EffectiveInt = builder.objectRef<Effective<number>>('EffectiveInt').implement({
  description: 'A number that is in force, and where it comes from.',
  fields: (t) => ({
    value: t.exposeInt('value', { description: 'The number; -1 is unlimited, 0 blocks.' }),
    source: t.expose('source', SOURCE),
  }),
})

const EffectiveBurst = builder.objectRef<Effective<BurstValue>>('EffectiveBurst').implement({
  description: 'A token bucket that is in force, and where it comes from.',
  fields: (t) => ({
    value: t.expose('value', { type: Burst, description: 'The token bucket.' }),
    source: t.expose('source', SOURCE),
  }),
})

const EffectiveStringList = builder.objectRef<Effective<readonly string[]>>('EffectiveStringList').implement({
  description: 'A list that is in force, and where it comes from.',
  fields: (t) => ({
    value: t.stringList({
      description: 'The entries, at most 1000; none is no restriction.',
      resolve: ({ value }) => [...value],
    }),
    source: t.expose('source', SOURCE),
  }),
})

const EffectiveDenylist = builder.objectRef<EffectiveDenylistValue>('EffectiveDenylist').implement({
  description: 'A list of what is denied. Levels add to it and none can take away.',
  fields: (t) => ({
    value: t.stringList({
      description: 'The entries of all levels; at most 3000.',
      resolve: ({ value }) => [...value],
    }),
    source: t.expose('source', { type: ConfigSource, description: 'The most specific level that adds to it.' }),
    parts: t.field({
      type: [EffectiveStringList],
      description: 'What each level adds, the most specific one first; at most 3.',
      resolve: ({ parts }) => [...parts],
    }),
  }),
})

const EffectiveTimeWindows = builder
  .objectRef<Effective<readonly TimeWindowValue[]>>('EffectiveTimeWindows')
  .implement({
    description: 'Time windows that are in force, and where they come from.',
    fields: (t) => ({
      value: t.field({
        type: [TimeWindow],
        description: 'The windows, at most 100; none is no restriction.',
        resolve: ({ value }) => [...value],
      }),
      source: t.expose('source', SOURCE),
    }),
  })

const EffectiveRotationPolicy = builder
  .objectRef<Effective<RotationPolicyValue | null>>('EffectiveRotationPolicy')
  .implement({
    description: 'The rotation policy that is in force, and where it comes from.',
    fields: (t) => ({
      value: t.expose('value', { type: RotationPolicy, nullable: true, description: 'The policy; null: none.' }),
      source: t.expose('source', SOURCE),
    }),
  })

const EffectiveLeakPolicy = builder.objectRef<Effective<LeakPolicyValue>>('EffectiveLeakPolicy').implement({
  description: 'The policy about leaks that is in force, and where it comes from.',
  fields: (t) => ({
    value: t.expose('value', { type: LeakPolicy, description: 'The policy.' }),
    source: t.expose('source', SOURCE),
  }),
})

const EffectiveLimits = builder.interfaceRef<EffectiveLimitsValue>('EffectiveLimits').implement({
  description: 'Limits that are in force.',
  fields: (t) => ({
    perSecond: t.expose('perSecond', { type: EffectiveBurst, description: 'Requests per second, with a burst.' }),
    perMinute: t.expose('perMinute', { type: EffectiveInt, description: 'Requests in any 60 seconds.' }),
    perHour: t.expose('perHour', { type: EffectiveInt, description: 'Requests in any 60 minutes.' }),
    perDay: t.expose('perDay', { type: EffectiveInt, description: "Requests in a day of the tenant's time zone." }),
    perMonth: t.expose('perMonth', {
      type: EffectiveInt,
      description: "Requests in a month of the tenant's time zone.",
    }),
    warningPercent: t.expose('warningPercent', {
      type: EffectiveInt,
      description:
        "How much of a day's or month's quota, or of credits, is used when a warning is due, in percent; -1: no warning.",
    }),
  }),
})

const EffectiveRules = builder.interfaceRef<EffectiveConfig>('EffectiveRules').implement({
  description: 'Rules that are in force.',
  fields: (t) => ({
    ipAllowlist: t.expose('ipAllowlist', {
      type: EffectiveStringList,
      description: 'Addresses and CIDR blocks that a request may come from.',
    }),
    ipDenylist: t.expose('ipDenylist', {
      type: EffectiveDenylist,
      description: 'Addresses and CIDR blocks that no request may come from.',
    }),
    userAgents: t.expose('userAgents', {
      type: EffectiveStringList,
      description: 'Patterns of user agents that may be used.',
    }),
    methods: t.expose('methods', { type: EffectiveStringList, description: 'Methods that may be used.' }),
    paths: t.expose('paths', { type: EffectiveStringList, description: 'Patterns of paths that may be asked for.' }),
    timeWindows: t.expose('timeWindows', { type: EffectiveTimeWindows, description: 'When a request may be made.' }),
    corsOrigins: t.expose('corsOrigins', {
      type: EffectiveStringList,
      description: 'Origins of web pages that may send requests.',
    }),
    rotation: t.expose('rotation', { type: EffectiveRotationPolicy, description: 'When keys change their tokens.' }),
  }),
})

export const EffectiveApiKeyConfig = builder.objectRef<EffectiveConfig>('EffectiveApiKeyConfig').implement({
  description: 'What is in force for a key, beside the limits over all keys of its tenant together.',
  interfaces: [EffectiveLimits, EffectiveRules],
})

const EffectiveAggregateLimits = builder.objectRef<EffectiveLimitsValue>('EffectiveAggregateLimits').implement({
  description: 'Limits that are in force over all keys of a tenant together.',
  interfaces: [EffectiveLimits],
})

export const EffectiveTenantConfig = builder.objectRef<EffectiveConfig>('EffectiveTenantConfig').implement({
  description: 'What is in force for a key that sets nothing for itself, and over all keys of the tenant together.',
  interfaces: [EffectiveLimits, EffectiveRules],
  fields: (t) => ({
    keyTtlDaysDefault: t.expose('keyTtlDaysDefault', {
      type: EffectiveInt,
      description: 'Days that a new key lives when nobody says otherwise; -1: for ever.',
    }),
    keyTtlDaysMax: t.expose('keyTtlDaysMax', {
      type: EffectiveInt,
      description: 'Days that a key can live at most; -1: for ever.',
    }),
    leakPolicy: t.expose('leakPolicy', {
      type: EffectiveLeakPolicy,
      description: 'What becomes of a key when one of its tokens is found in public.',
    }),
    aggregate: t.expose('aggregate', {
      type: EffectiveAggregateLimits,
      description: 'Limits over all keys of the tenant together.',
    }),
  }),
})
