import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core'

/**
 * Makes every field at the root of a query or mutation nullable, though no resolver answers null for want of a value: a
 * field that fails has to become null somewhere, and from a field that cannot be null the null goes up and takes its
 * neighbours with it (GraphQL specification, "Handling Execution Errors"). Of two mutations in one request the first may
 * have made a token that is shown once and never again; the failure of the second must not take it away.
 */
export class NullableRootsPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override onOutputFieldConfig(field: PothosOutputFieldConfig<Types>): PothosOutputFieldConfig<Types> {
    if (field.kind !== 'Query' && field.kind !== 'Mutation') return field
    return { ...field, type: { ...field.type, nullable: true } }
  }
}

declare global {
  // The name that Pothos looks its plugins up by.
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      nullableRoots: NullableRootsPlugin<Types>
    }
  }
}

/** For the list of plugins. */
export const NULLABLE_ROOTS = 'nullableRoots'

SchemaBuilder.registerPlugin(NULLABLE_ROOTS, NullableRootsPlugin)
