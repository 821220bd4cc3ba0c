import type { Schema } from './openapi-document.ts'

/** Headers that several answers have. */
const SECONDS: Schema = { type: 'integer', minimum: 1 }
export const TEXT: Schema = { type: 'string' }
export const RETRY_AFTER = { 'Retry-After': { description: 'Seconds to wait.', schema: SECONDS } }
export const LIMIT_HEADERS = {
  'RateLimit-Policy': { description: 'Limits in force, such as `"minute";q=100;w=60`.', schema: TEXT },
  RateLimit: { description: 'What is left of them, such as `"minute";r=99;t=42`.', schema: TEXT },
}
