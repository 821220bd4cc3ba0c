import type { Environment } from '../keys/environment.ts'
import type { ScopeQuery } from '../scopes/scope-query.ts'

/** What a verifier asks, after validation (`parse-verify-request.ts`). Absent fields are undefined. */
export interface VerifyRequest {
  readonly key: string
  /** All of them are needed. */
  readonly scopes: readonly string[]
  /** Needed beside `scopes`. */
  readonly scopeQuery: ScopeQuery | undefined
  readonly environment: Environment | undefined
  /** Address of the client of the protected request: a valid IPv4 or IPv6 address. */
  readonly ip: string | undefined
  readonly userAgent: string | undefined
  readonly origin: string | undefined
  /** Method and path of the protected request, as it was received. */
  readonly method: string | undefined
  readonly path: string | undefined
  readonly requireOperationScope: boolean
  /** What the request counts for in limits, quotas and credits; a safe integer ≥ 0. */
  readonly cost: number
  /** Undefined when there are none. Each name is there once. */
  readonly tags: readonly Tag[] | undefined
}

/** A label of a verification, by which its usage can be told apart. */
export interface Tag {
  /** Not empty. Neither name nor value has control characters. */
  readonly name: string
  readonly value: string
}
