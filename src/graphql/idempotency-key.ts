import { IDEMPOTENCY_KEY_CHARACTERS_MAX } from '../commands/idempotency.ts'

/** The one description of the input field `idempotencyKey`. */
export const IDEMPOTENCY_KEY_DESCRIPTION = `A name of your own for this request, such as a UUID, at most ${IDEMPOTENCY_KEY_CHARACTERS_MAX} characters. Sent again within 24 hours with the same input, it answers with what was done the first time and does nothing again; with another input, it is refused.`
