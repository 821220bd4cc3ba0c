import { type Component, componentIdentity, resolveComponent, toComponent } from './component-value.ts'
import { createMessageView } from './message-view.ts'
import type { SignedMessage } from './signed-message.ts'
import { type InnerList, serializeMember } from './structured-field.ts'

/**
 * The text that is signed (RFC 9421 §2.5): a line for each covered component, and at the end one for the list of the
 * components itself with the parameters of the signature.
 */
export type SignatureBase =
  | { readonly ok: true; readonly text: string; readonly components: readonly Component[] }
  | { readonly ok: false; readonly detail: string }

/** Each costs a look at the message; a request has less than this that is worth signing. */
const COMPONENTS_MAX = 64

export function buildSignatureBase(input: InnerList, message: SignedMessage): SignatureBase {
  if (input.items.length > COMPONENTS_MAX) return refuse(`A signature covers at most ${COMPONENTS_MAX} components.`)
  const view = createMessageView(message)
  const components: Component[] = []
  const identities = new Set<string>()
  const lines: string[] = []
  for (const item of input.items) {
    const component = toComponent(item)
    if (component === null) return refuse('The name of a covered component is not a string.')
    identities.add(componentIdentity(component))
    if (identities.size === components.length) return refuse('A component is covered twice.')
    const resolved = resolveComponent(component, view)
    if (!resolved.ok) return resolved
    components.push(component)
    lines.push(`${component.text}: ${resolved.value}`)
  }
  lines.push(`"@signature-params": ${serializeMember(input)}`)
  return { ok: true, text: lines.join('\n'), components }
}

function refuse(detail: string): SignatureBase {
  return { ok: false, detail }
}
