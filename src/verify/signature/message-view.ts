import { parseDictionary } from './parse-structured-field.ts'
import { combineField, type SignedMessage } from './signed-message.ts'
import type { Dictionary } from './structured-field.ts'

/**
 * A message with those parts read that components can point into, each once: a signature that points into a long field
 * many times costs no more than one that does it once.
 */
export interface MessageView {
  readonly message: SignedMessage
  /** The field as a dictionary; null when it is none or not there. */
  dictionary(name: string): Dictionary | null
  /** Values by name, both as RFC 9421 §2.2.8 encodes them. */
  queryParameters(): ReadonlyMap<string, readonly string[]>
}

export function createMessageView(message: SignedMessage): MessageView {
  const dictionaries = new Map<string, Dictionary | null>()
  let queryParameters: ReadonlyMap<string, readonly string[]> | null = null
  return {
    message,
    dictionary(name) {
      const known = dictionaries.get(name)
      if (known !== undefined) return known
      const combined = combineField(message.fields, name)
      const dictionary = combined === null ? null : parseDictionary(combined)
      dictionaries.set(name, dictionary)
      return dictionary
    },
    queryParameters() {
      queryParameters ??= readQueryParameters(message.target.query)
      return queryParameters
    },
  }
}

const REPLACEMENT_CHARACTER = '\ufffd'

function readQueryParameters(query: string): ReadonlyMap<string, readonly string[]> {
  const parameters = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(query)) {
    // Decoding puts it where bytes are no UTF-8: different values would look the same, so there is none to sign.
    if (name.includes(REPLACEMENT_CHARACTER) || value.includes(REPLACEMENT_CHARACTER)) continue
    const encoded = encodeFormText(name)
    const values = parameters.get(encoded)
    if (values === undefined) parameters.set(encoded, [encodeFormText(value)])
    else values.push(encodeFormText(value))
  }
  return parameters
}

/** The form encoding of the WHATWG URL standard, with `%20` for a space. */
function encodeFormText(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()~]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  })
}
