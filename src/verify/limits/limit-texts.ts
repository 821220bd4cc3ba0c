import type { LimitName, LimitScope } from './limiter.ts'

/** A text for each limit that there can be, made once instead of for each answer. */
export type LimitTexts = Readonly<Record<LimitScope, Readonly<Record<LimitName, string>>>>

export function textEachLimit(write: (scope: LimitScope, name: LimitName) => string): LimitTexts {
  const ofScope = (scope: LimitScope) => ({
    second: write(scope, 'second'),
    minute: write(scope, 'minute'),
    hour: write(scope, 'hour'),
    day: write(scope, 'day'),
    month: write(scope, 'month'),
  })
  return { key: ofScope('key'), tenant: ofScope('tenant') }
}
