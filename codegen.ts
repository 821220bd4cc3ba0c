import type { CodegenConfig } from '@graphql-codegen/cli'

/** Typed documents for every operation that the tests send; an operation that the schema does not have fails here. */
const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: ['test/**/*.ts', '!test/generated/**'],
  generates: {
    'test/generated/graphql/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false, persistedDocuments: { hashAlgorithm: 'sha256' } },
      config: {
        documentMode: 'string',
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        scalars: {
          DateTime: 'string',
          EmailAddress: 'string',
          JSON: 'unknown',
          LocalTime: 'string',
          SafeInt: 'number',
          TimeZone: 'string',
          URL: 'string',
        },
        importExtension: '.ts',
      },
    },
  },
}

export default config
