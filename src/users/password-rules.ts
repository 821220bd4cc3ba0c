/** Fewer characters are too few, whatever they are. */
export const PASSWORD_CHARACTERS_MIN = 10

/** Longer passwords are refused before they are hashed. */
export const PASSWORD_CHARACTERS_MAX = 1024

/** Why a new password has not the length of one; null when it has. Characters are counted as people see them. */
export function findPasswordLengthFault(password: string): string | null {
  if (password.length > PASSWORD_CHARACTERS_MAX) return `must have at most ${PASSWORD_CHARACTERS_MAX} characters`
  return [...password].length < PASSWORD_CHARACTERS_MIN
    ? `must have at least ${PASSWORD_CHARACTERS_MIN} characters`
    : null
}
