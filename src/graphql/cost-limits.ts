import type { ServerResponse } from 'node:http'
import { type ExecutionArgs, type ExecutionResult, GraphQLError } from 'graphql'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { Caller } from '../actors/caller.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import { formatRateLimit } from '../verify/limits/rate-limit-headers.ts'
import { tooComplex } from './document-limits.ts'
import { COST_MAX } from './limits.ts'
import { countCost } from './operation-cost.ts'
import type { Points, Spending } from './points.ts'

/**
 * What an answer says under `extensions.cost`. What the caller has left is said in headers alone: it is no property of the
 * answer, and answers to the same question must not differ by a byte.
 */
export interface CostReport {
  /** Points of this operation. */
  readonly requested: number
  /** Points that one operation of the caller may cost. */
  readonly limit: number
}

interface CostContext {
  readonly caller: Caller
  readonly nodeResponse: ServerResponse
}

type CostedArgs = Omit<ExecutionArgs, 'contextValue'> & { readonly contextValue: CostContext }

/**
 * What an operation may cost, and what one caller may spend in a minute. A subscription is paid when it is opened.
 *
 *     operation ─▶ its cost ─▶ more than one operation may cost ─▶ QUERY_TOO_COMPLEX
 *                     └─────▶ more than the caller has left ───▶ RATE_LIMITED
 *                     └─────▶ spent ─▶ executed ─▶ answer with its cost and what is left
 *
 * It stands before all resolvers and after the caller is known, so that a refusal costs nothing else.
 */
export function costLimits(points: Points): Plugin<CostContext> {
  function check(args: CostedArgs): { report: CostReport; refusal: KeywardError | null } | null {
    const { caller, nodeResponse } = args.contextValue
    const requested = countCost(args)
    if (requested === null) return null
    const limit = Math.min(COST_MAX, points.limitOf(caller))
    const report = { requested, limit }
    if (requested > limit) return { report, refusal: refuseCost(report) }
    const spending = points.spend(caller, requested)
    addHeaders(nodeResponse, spending)
    return { report, refusal: refuseSpending(requested, spending) }
  }

  return {
    onExecute({ args, setResultAndStopExecution }) {
      const checked = check(args)
      if (checked === null) return
      const { report, refusal } = checked
      if (refusal !== null) {
        setResultAndStopExecution(withCost({ errors: [toGraphQLError(refusal)] }, report))
        return
      }
      return {
        onExecuteDone({ result, setResult }) {
          if (!isAsyncIterable(result)) setResult(withCost(result, report))
        },
      }
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const checked = check(args)
      if (checked === null || checked.refusal === null) return
      setResultAndStopExecution(withCost({ errors: [toGraphQLError(checked.refusal)] }, checked.report))
    },
  }
}

function refuseCost({ requested, limit }: CostReport): KeywardError {
  return tooComplex(
    `The operation costs ${requested} points, each field one for each row that could come back; at most ${limit}`,
  )
}

function refuseSpending(requested: number, { status, retryAfterSeconds }: Spending): KeywardError | null {
  if (retryAfterSeconds === null) return null
  const detail = `The operation costs ${requested} points, and ${status.remaining} of ${status.limit} per minute are left.`
  return new KeywardError('RATE_LIMITED', detail, { retryAfterSeconds })
}

/** As the answers of `/verify` have them. */
function addHeaders(res: ServerResponse, { status }: Spending): void {
  const fields = formatRateLimit([status])
  if (fields === null) return
  res.setHeader('RateLimit-Policy', fields.policy)
  res.setHeader('RateLimit', fields.rateLimit)
}

function withCost(result: ExecutionResult, cost: CostReport): ExecutionResult {
  return { ...result, extensions: { ...result.extensions, cost } }
}

function toGraphQLError(originalError: KeywardError): GraphQLError {
  return new GraphQLError(originalError.detail, { originalError })
}
