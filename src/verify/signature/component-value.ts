import type { MessageView } from './message-view.ts'
import { combineField } from './signed-message.ts'
import { type Item, serializeBytes, serializeDictionary, serializeItem, serializeMember } from './structured-field.ts'
import { formatTargetUri } from './target-uri.ts'

/** A part of the message that a signature covers: a name, with parameters that say which part of it (RFC 9421 §2). */
export interface Component {
  readonly name: string
  /** Name and parameters as they are signed. */
  readonly text: string
  readonly item: Item
}

export type ComponentValue =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly detail: string }

/** RFC 9421 §2.1: field names are lower case here. A name with `@` is never a field's. */
const FIELD_NAME_PATTERN = /^[a-z0-9!#$%&'*+.^_`|~-]+$/
/** What the grammar of the signature base allows as a value; no line break above all. */
const VALUE_PATTERN = /^[\t\x20-\x7e]*$/
/** The fields whose structure is known here; `sf` means something for no others (RFC 9421 §2.1.1). */
const DICTIONARY_FIELDS: ReadonlySet<string> = new Set([
  'accept-signature',
  'content-digest',
  'priority',
  'repr-digest',
  'signature',
  'signature-input',
  'want-content-digest',
  'want-repr-digest',
])

/** Null when the item is no component: its name is a string. */
export function toComponent(item: Item): Component | null {
  if (item.bare.type !== 'string') return null
  return { name: item.bare.value, text: serializeItem(item), item }
}

/** Whether two identifiers name the same: the order of parameters does not matter for that (RFC 9421 §2). */
export function componentIdentity({ item }: Component): string {
  const parameters = [...item.parameters].map(([key, bare]) => `${key} ${JSON.stringify(bare)}`)
  return JSON.stringify([item.bare.value, ...parameters.sort()])
}

/** What a component stands for in the message. Whatever is not known for certain is refused (RFC 9421 §2.5). */
export function resolveComponent(component: Component, view: MessageView): ComponentValue {
  const resolved = component.name.startsWith('@') ? resolveDerived(component, view) : resolveField(component, view)
  if (resolved.ok && !VALUE_PATTERN.test(resolved.value)) {
    return refuse(component, 'has a value that is not printable ASCII')
  }
  return resolved
}

/** RFC 9421 §2.2. */
function resolveDerived(component: Component, view: MessageView): ComponentValue {
  const { method, target } = view.message
  if (component.name === '@query-param') return resolveQueryParameter(component, view)
  if (component.item.parameters.size > 0) return refuse(component, 'has a parameter that does not belong to it')
  switch (component.name) {
    case '@method':
      return { ok: true, value: method }
    case '@target-uri':
      return { ok: true, value: formatTargetUri(target) }
    case '@authority':
      return { ok: true, value: target.authority }
    case '@scheme':
      return { ok: true, value: target.scheme }
    case '@request-target':
      return { ok: true, value: target.path + target.query }
    case '@path':
      return { ok: true, value: target.path }
    case '@query':
      return { ok: true, value: target.query === '' ? '?' : target.query }
    default:
      return refuse(component, 'is not a component of a request that is known here')
  }
}

/** RFC 9421 §2.2.8. */
function resolveQueryParameter(component: Component, view: MessageView): ComponentValue {
  const { parameters } = component.item
  const name = parameters.get('name')
  if (name?.type !== 'string' || parameters.size > 1) return refuse(component, 'needs `name`, and nothing beside it')
  const [value, second] = view.queryParameters().get(name.value) ?? []
  if (value === undefined) return refuse(component, 'is not in the query')
  if (second !== undefined) return refuse(component, 'is in the query more than once')
  return { ok: true, value }
}

/** RFC 9421 §2.1. Trailers (`tr`) and related requests (`req`) do not travel to us. */
function resolveField(component: Component, view: MessageView): ComponentValue {
  const { name, item } = component
  const { fields } = view.message
  if (!FIELD_NAME_PATTERN.test(name)) return refuse(component, 'is not the name of a field in lower case')
  const values = fields.get(name)
  const combined = combineField(fields, name)
  if (values === undefined || combined === null) return refuse(component, 'is not in the request')
  const [parameter, second] = item.parameters
  if (parameter === undefined) return { ok: true, value: combined }
  if (second !== undefined) return refuse(component, 'has parameters that exclude each other')
  const [key, argument] = parameter
  const isFlag = argument.type === 'boolean' && argument.value
  if (key === 'key' && argument.type === 'string') return resolveDictionaryMember(component, view, argument.value)
  if (key === 'sf' && isFlag) return resolveDictionary(component, view)
  if (key === 'bs' && isFlag) return resolveBytes(component, values)
  return refuse(component, 'has a parameter that is not known here')
}

/** RFC 9421 §2.1.2. */
function resolveDictionaryMember(component: Component, view: MessageView, key: string): ComponentValue {
  const member = view.dictionary(component.name)?.get(key)
  return member === undefined
    ? refuse(component, 'is not in the request')
    : { ok: true, value: serializeMember(member) }
}

/** RFC 9421 §2.1.1. */
function resolveDictionary(component: Component, view: MessageView): ComponentValue {
  if (!DICTIONARY_FIELDS.has(component.name)) return refuse(component, 'is not a field whose structure is known here')
  const dictionary = view.dictionary(component.name)
  if (dictionary === null) return refuse(component, 'is not a dictionary')
  return { ok: true, value: serializeDictionary(dictionary) }
}

/** RFC 9421 §2.1.3. What is not ASCII came to us as text, and nobody knows any more which bytes it was. */
function resolveBytes(component: Component, values: readonly string[]): ComponentValue {
  if (!values.every((value) => VALUE_PATTERN.test(value))) return refuse(component, 'has a value that is not ASCII')
  return { ok: true, value: values.map((value) => serializeBytes(Buffer.from(value, 'latin1'))).join(', ') }
}

const SHOWN_LENGTH_MAX = 100

function refuse({ text }: Component, fault: string): ComponentValue {
  const shown = text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`
  return { ok: false, detail: `The covered component ${shown} ${fault}.` }
}
