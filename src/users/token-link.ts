/** What stands for the token in the address of a page. */
const PLACE = '{token}'

/** The address of a page that takes a token, with the token in it; null where the operator has named no page. */
export function formatTokenLink(template: string | undefined, token: string): string | null {
  return template === undefined ? null : template.replace(PLACE, () => encodeURIComponent(token))
}

/**
 * Why no link can be made of a template; null when it can. The token is as good as the account, so that it must reach the
 * operator's page and nobody on the way: https, or a page on the same machine, and a host that the token is no part of.
 */
export function findTokenLinkFault(template: string): string | null {
  if (template.split(PLACE).length !== 2) return `must hold ${PLACE} once, where the token goes`
  const [first, second] = ['a', 'b'].map((token) => URL.parse(template.replace(PLACE, token)))
  if (!first || !second) return 'must be a URL such as https://app.example.com/join#{token}'
  if (first.origin !== second.origin) return `must hold ${PLACE} after the host`
  if (first.username !== '' || first.password !== '') return 'must not hold a user or a password'
  const isPrivate = first.protocol === 'https:' || (first.protocol === 'http:' && LOOPBACK.has(first.hostname))
  return isPrivate ? null : 'must begin with https, or with http://localhost'
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
