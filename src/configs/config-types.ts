import { builder } from '../graphql/builder.ts'
import { LeakPolicy, RotationMode, Weekday } from './config-inputs.ts'
import type {
  Burst as BurstValue,
  KeyConfig,
  LimitSettings as LimitSettingsValue,
  RotationPolicy as RotationPolicyValue,
  TenantConfig as TenantConfigValue,
  TimeWindow as TimeWindowValue,
} from './effective-config.ts'

export const Burst = builder.objectRef<BurstValue>('Burst').implement({
  description: 'A token bucket: so much flows in each second, and so much is kept at most.',
  fields: (t) => ({
    ratePerSecond: t.exposeFloat('ratePerSecond', {
      description: 'Requests per second on average; 0 blocks, -1 is unlimited.',
    }),
    burst: t.exposeInt('burst', { description: 'Requests at once at most; it says nothing beside a rate of 0 or -1.' }),
  }),
})

export const TimeWindow = builder.objectRef<TimeWindowValue>('TimeWindow').implement({
  description: 'When a key may be used, by the clock on the wall of a time zone.',
  fields: (t) => ({
    days: t.field({
      type: [Weekday],
      description: 'The days on which the window begins; at most 7.',
      resolve: ({ days }) => [...days],
    }),
    start: t.expose('start', { type: 'LocalTime', description: 'When it begins.' }),
    end: t.expose('end', {
      type: 'LocalTime',
      description: 'When it ends, exclusive. Before `start`: on the next day. Equal to `start`: the whole day.',
    }),
    timeZone: t.expose('timeZone', { type: 'TimeZone', description: 'Whose clock.' }),
  }),
})

export const RotationPolicy = builder.objectRef<RotationPolicyValue>('RotationPolicy').implement({
  description: 'When keys change their tokens.',
  fields: (t) => ({
    everyDays: t.exposeInt('everyDays', { description: 'Days between rotations; -1: never.' }),
    gracePeriodSeconds: t.exposeInt('gracePeriodSeconds', {
      description: 'How long a replaced token goes on counting.',
    }),
    mode: t.expose('mode', { type: RotationMode, description: 'What happens when it is due.' }),
  }),
})

const LimitSettings = builder.interfaceRef<LimitSettingsValue>('LimitSettings').implement({
  description: 'Limits as one level sets them. Null: inherited; -1: unlimited; 0: blocks.',
  fields: (t) => ({
    perSecond: t.expose('perSecond', {
      type: Burst,
      nullable: true,
      description: 'Requests per second, with a burst.',
    }),
    perMinute: t.exposeInt('perMinute', { nullable: true, description: 'Requests in any 60 seconds.' }),
    perHour: t.exposeInt('perHour', { nullable: true, description: 'Requests in any 60 minutes.' }),
    perDay: t.exposeInt('perDay', { nullable: true, description: "Requests in a day of the tenant's time zone." }),
    perMonth: t.exposeInt('perMonth', {
      nullable: true,
      description: "Requests in a month of the tenant's time zone.",
    }),
    warningPercent: t.exposeInt('warningPercent', {
      nullable: true,
      description:
        "How much of a day's or month's quota, or of credits, is used when a warning is due, in percent; -1: no warning.",
    }),
  }),
})

const RuleSettings = builder.interfaceRef<KeyConfig>('RuleSettings').implement({
  description: 'Rules as one level sets them. Null: inherited; an empty list: no restriction.',
  fields: (t) => ({
    ipAllowlist: t.stringList({
      nullable: true,
      description: 'Addresses and CIDR blocks that a request may come from; at most 1000.',
      resolve: ({ ipAllowlist }) => copy(ipAllowlist),
    }),
    ipDenylist: t.stringList({
      nullable: true,
      description:
        'Addresses and CIDR blocks that no request may come from, at most 1000, in addition to what other levels deny.',
      resolve: ({ ipDenylist }) => copy(ipDenylist),
    }),
    userAgents: t.stringList({
      nullable: true,
      description: 'Patterns of user agents that may be used; at most 100.',
      resolve: ({ userAgents }) => copy(userAgents),
    }),
    methods: t.stringList({
      nullable: true,
      description: 'Methods that may be used; at most 32.',
      resolve: ({ methods }) => copy(methods),
    }),
    paths: t.stringList({
      nullable: true,
      description: 'Patterns of paths that may be asked for; at most 200.',
      resolve: ({ paths }) => copy(paths),
    }),
    timeWindows: t.field({
      type: [TimeWindow],
      nullable: true,
      description: 'When a request may be made; at most 100 windows.',
      resolve: ({ timeWindows }) => copy(timeWindows),
    }),
    corsOrigins: t.stringList({
      nullable: true,
      description: 'Origins of web pages that may send requests; at most 200.',
      resolve: ({ corsOrigins }) => copy(corsOrigins),
    }),
    rotation: t.expose('rotation', {
      type: RotationPolicy,
      nullable: true,
      description: 'When keys change their tokens.',
    }),
  }),
})

export const ApiKeyConfig = builder.objectRef<KeyConfig>('ApiKeyConfig').implement({
  description: 'What a key sets for itself. Null: its tenant decides; -1: unlimited; 0: blocks; `[]`: no restriction.',
  interfaces: [LimitSettings, RuleSettings],
})

const AggregateLimits = builder.objectRef<LimitSettingsValue>('AggregateLimits').implement({
  description: 'Limits over all keys of a tenant together. Null and -1: unlimited; 0: blocks.',
  interfaces: [LimitSettings],
})

export const TenantConfig = builder.objectRef<TenantConfigValue>('TenantConfig').implement({
  description:
    'What a tenant sets for each of its keys that sets none of its own, and for all of them together. Null: the installation decides; -1: unlimited; 0: blocks; `[]`: no restriction.',
  interfaces: [LimitSettings, RuleSettings],
  fields: (t) => ({
    keyTtlDaysDefault: t.exposeInt('keyTtlDaysDefault', {
      nullable: true,
      description: 'Days that a new key lives when nobody says otherwise; -1: for ever.',
    }),
    keyTtlDaysMax: t.exposeInt('keyTtlDaysMax', {
      nullable: true,
      description: 'Days that a key can live at most; -1: for ever.',
    }),
    leakPolicy: t.expose('leakPolicy', {
      type: LeakPolicy,
      nullable: true,
      description: 'What becomes of a key when one of its tokens is found in public.',
    }),
    aggregate: t.expose('aggregate', {
      type: AggregateLimits,
      nullable: true,
      description: 'Limits over all keys of the tenant together; null: none of its own.',
    }),
  }),
})

function copy<Entry>(list: readonly Entry[] | null | undefined): Entry[] | null {
  return list == null ? null : [...list]
}
