import type { InputIssue } from '../errors/keyward-error.ts'
import { findLineFault } from '../lib/text-fault.ts'
import { findPasswordLengthFault } from './password-rules.ts'

/** The longest that can be delivered to (RFC 5321 §4.5.3.1.3, less the angle brackets). */
const EMAIL_CHARACTERS_MAX = 254
const NAME_CHARACTERS_MAX = 100

export interface NewAccount {
  readonly email: string
  readonly password: string
  readonly name?: string | null | undefined
}

/** Every fault of a new account that can be seen without looking anything up; but for how strong the password is. */
export function validateAccount({ email, password, name }: NewAccount): readonly InputIssue[] {
  return [
    ...toIssues('email', findEmailFault(email)),
    ...toIssues('password', findPasswordLengthFault(password)),
    ...toIssues('name', findNameFault(name)),
  ]
}

/** An address as it is stored and compared: people do not mean another account by another case. */
export function normalizeEmail(email: string): string {
  return email.trim().toLowerCase()
}

/** Why an address cannot be that of an account; null when it can. That it is one was seen to before. */
export function findEmailFault(email: string): string | null {
  return findLineFault(email, EMAIL_CHARACTERS_MAX)
}

export function findNameFault(name: string | null | undefined): string | null {
  return name == null ? null : findLineFault(name, NAME_CHARACTERS_MAX)
}

export function toIssues(field: string, detail: string | null): readonly InputIssue[] {
  return detail === null ? [] : [{ path: ['input', field], detail }]
}
