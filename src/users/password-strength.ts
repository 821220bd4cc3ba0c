import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common'
import { dictionary as english, translations } from '@zxcvbn-ts/language-en'

/**
 * How long somebody who knows the person would need to guess a password, by the patterns in it: words, names, dates,
 * repetitions, rows of keys. It takes up to a second of computing, so it runs in a thread of its own
 * (`password-strength-thread.ts`).
 */

/** A score of 3: more than 10^8 guesses, which argon2 makes a matter of months. */
const SCORE_MIN = 3

/**
 * Characters that are looked at. The time grows with the square of the length and more. A longer password is as strong as
 * the stronger of its two ends, and stronger still: a few words at either end are enough to be good.
 */
const ANALYZED_CHARACTERS_MAX = 40

export interface PasswordCandidate {
  readonly password: string
  /** What those who guess would try first: the e-mail address and the name of the person. */
  readonly about: readonly string[]
}

/** Why a password is too easy to guess, and what to do about it; null for one that is good. */
export type FindPasswordWeakness = (candidate: PasswordCandidate) => string | null

/** Reads the dictionaries, which takes most of a second. */
export function loadPasswordWeakness(): FindPasswordWeakness {
  const strength = new ZxcvbnFactory({
    dictionary: { ...common, ...english },
    graphs: adjacencyGraphs,
    translations,
    maxLength: ANALYZED_CHARACTERS_MAX,
  })

  return ({ password, about }) => {
    const known = about.flatMap((text) => [text, ...text.split(/[^\p{L}\p{N}]+/u)]).filter((text) => text.length > 2)
    const check = (part: string) => strength.check(part, known)
    const first = check(password)
    if (first.score >= SCORE_MIN) return null
    if (password.length > ANALYZED_CHARACTERS_MAX) {
      if (check(password.slice(-ANALYZED_CHARACTERS_MAX)).score >= SCORE_MIN) return null
    }
    const { warning, suggestions } = first.feedback
    return ['is too easy to guess.', warning, ...suggestions].filter((text) => text !== null).join(' ')
  }
}
