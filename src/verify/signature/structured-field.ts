/**
 * The data model of structured fields (RFC 9651 §3) and its serialization (§4.1), as far as signatures need it:
 * dictionaries, and what can be inside of them.
 *
 * Members and parameters keep their order, because a signature is made over it.
 */
export type BareItem =
  | { readonly type: 'integer' | 'decimal' | 'date'; readonly value: number }
  | { readonly type: 'string' | 'token' | 'displayString'; readonly value: string }
  | { readonly type: 'bytes'; readonly value: Uint8Array }
  | { readonly type: 'boolean'; readonly value: boolean }

export type Parameters = ReadonlyMap<string, BareItem>

export interface Item {
  readonly kind: 'item'
  readonly bare: BareItem
  readonly parameters: Parameters
}

export interface InnerList {
  readonly kind: 'list'
  readonly items: readonly Item[]
  readonly parameters: Parameters
}

export type Member = Item | InnerList

export type Dictionary = ReadonlyMap<string, Member>

/** The one spelling of a dictionary (RFC 9651 §4.1.2). */
export function serializeDictionary(dictionary: Dictionary): string {
  const members: string[] = []
  for (const [key, member] of dictionary) {
    const isTrue = member.kind === 'item' && member.bare.type === 'boolean' && member.bare.value
    members.push(key + (isTrue ? serializeParameters(member.parameters) : `=${serializeMember(member)}`))
  }
  return members.join(', ')
}

/** A member without its key (RFC 9651 §4.1.1.1, §4.1.3). */
export function serializeMember(member: Member): string {
  if (member.kind === 'item') return serializeItem(member)
  return `(${member.items.map(serializeItem).join(' ')})${serializeParameters(member.parameters)}`
}

export function serializeItem({ bare, parameters }: Item): string {
  return serializeBareItem(bare) + serializeParameters(parameters)
}

export function serializeBytes(bytes: Uint8Array): string {
  return `:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}:`
}

function serializeParameters(parameters: Parameters): string {
  let text = ''
  for (const [key, bare] of parameters) {
    text += bare.type === 'boolean' && bare.value ? `;${key}` : `;${key}=${serializeBareItem(bare)}`
  }
  return text
}

function serializeBareItem(bare: BareItem): string {
  switch (bare.type) {
    case 'integer':
      return String(bare.value)
    case 'date':
      return `@${bare.value}`
    case 'decimal':
      return serializeDecimal(bare.value)
    case 'string':
      return `"${bare.value.replaceAll(/["\\]/g, '\\$&')}"`
    case 'token':
      return bare.value
    case 'displayString':
      return serializeDisplayString(bare.value)
    case 'bytes':
      return serializeBytes(bare.value)
    case 'boolean':
      return bare.value ? '?1' : '?0'
  }
}

/** Three digits after the point at most, and one at least. */
function serializeDecimal(value: number): string {
  const digits = value.toFixed(3).replace(/0{1,2}$/, '')
  return Number(digits) === 0 ? '0.0' : digits
}

function serializeDisplayString(value: string): string {
  let text = '%"'
  for (const byte of Buffer.from(value)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && byte !== 0x22
    text += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`
  }
  return `${text}"`
}
