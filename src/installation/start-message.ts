import type { AddressInfo } from 'node:net'
import type { FirstStart } from './first-start.ts'

/** The address as a URL. One that stands for all of the machine's addresses is no place to go to; the loopback is. */
export function formatBaseUrl({ address, port }: Pick<AddressInfo, 'address' | 'port'>): string {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Where to find what, printed at every start. */
export function formatUrls(baseUrl: string): string {
  return `
Keyward is ready.
  GraphiQL  ${baseUrl}/graphql
  Verify    POST ${baseUrl}/verify
  Health    ${baseUrl}/health
`
}

/** What the operator has given and knows. */
export interface GivenCredentials {
  readonly BOOTSTRAP_ADMIN_PASSWORD: string | undefined
  readonly BOOTSTRAP_VERIFIER_TOKEN: string | undefined
}

/**
 * What is shown once, after the first start. The curl line answers `"valid": true` when it is pasted as it stands, so it
 * holds the verifier token; elsewhere what was given is not repeated.
 */
export function formatFirstStart(baseUrl: string, first: FirstStart, given: GivenCredentials): string {
  const password =
    first.adminPassword === given.BOOTSTRAP_ADMIN_PASSWORD ? 'as in BOOTSTRAP_ADMIN_PASSWORD' : first.adminPassword
  const verifierToken =
    first.verifierToken === given.BOOTSTRAP_VERIFIER_TOKEN ? 'as in BOOTSTRAP_VERIFIER_TOKEN' : first.verifierToken
  const demo = first.demoToken === null ? '' : formatTrial(baseUrl, first.verifierToken, first.demoToken)
  return `
This is the first start. What follows is shown once; write it down.
  Admin           ${first.adminEmail}
  Password        ${password}
  Verifier token  ${verifierToken}
${demo}`
}

function formatTrial(baseUrl: string, verifierToken: string, demoToken: string): string {
  const body = JSON.stringify({ key: demoToken, scopes: ['orders:read'] })
  return `  Demo key        ${demoToken}  (tenant acme)

Verify the demo key:
  curl -s ${baseUrl}/verify -H 'Authorization: Bearer ${verifierToken}' -H 'Content-Type: application/json' -d '${body}'
`
}
