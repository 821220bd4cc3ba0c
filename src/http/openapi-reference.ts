import type { Schema } from './openapi-document.ts'

/** A body that is described under this name. */
export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

export const ENVIRONMENT: Schema = { enum: ['PRODUCTION', 'STAGING', 'DEVELOPMENT', 'TEST'] }
