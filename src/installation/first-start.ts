/** What the operator is shown once, and what is kept nowhere in this form. */
export interface FirstStart {
  readonly adminEmail: string
  readonly adminPassword: string
  readonly verifierToken: string
  /** Token of the starter tenant's key; null when there is no such tenant. */
  readonly demoToken: string | null
}
