import type { FirstStart } from './set-up.ts'

/** Where to find what, printed at every start. */
export function formatUrls(baseUrl: string): string {
  return `
Keyward is ready.
  GraphiQL  ${baseUrl}/graphql
  Verify    POST ${baseUrl}/verify
  Health    ${baseUrl}/health
`
}

/** What is shown once, after the first start. The curl line answers `"valid": true` when it is pasted as it stands. */
export function formatFirstStart(baseUrl: string, first: FirstStart): string {
  const demo = first.demoToken === null ? '' : formatTrial(baseUrl, first.verifierToken, first.demoToken)
  return `
This is the first start. What follows is shown once and not kept in this form; write it down.
  Admin           ${first.adminEmail}
  Password        ${first.adminPassword}
  Verifier token  ${first.verifierToken}
${demo}`
}

function formatTrial(baseUrl: string, verifierToken: string, demoToken: string): string {
  const body = JSON.stringify({ key: demoToken, scopes: ['orders:read'] })
  return `  Demo key        ${demoToken}  (tenant acme)

Verify the demo key:
  curl -s ${baseUrl}/verify -H 'Authorization: Bearer ${verifierToken}' -H 'Content-Type: application/json' -d '${body}'
`
}
