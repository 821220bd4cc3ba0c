import { type BulkResult, type BulkRow, type BulkRowFailure, countBulkRows } from '../commands/bulk-result.ts'
import { inTurns } from '../lib/in-turns.ts'
import { builder } from './builder.ts'

/** That are put into an answer in one go: about a millisecond. */
const ROWS_AT_ONCE = 250

const BulkRowStatus = builder.enumType('BulkRowStatus', {
  description: 'What became of one row.',
  values: {
    CREATED: { description: 'Something new was made.' },
    UPDATED: { description: 'Something that was there was changed.' },
    SKIPPED: { description: 'Nothing had to be done.' },
    FAILED: { description: 'Nothing was done; `error` says why.' },
  },
})

const BulkRowErrorCode = builder.enumType('BulkRowErrorCode', {
  description: 'What kind of failure it was; the list of errors in the README says what to do about each.',
  values: {
    VALIDATION_FAILED: { description: 'The row is not valid; `path` leads to the first fault.' },
    NOT_FOUND: { description: 'There is no such thing, or none that the caller may see.' },
    CONFLICT: { description: 'A name is taken, or the present state forbids the change.' },
    FORBIDDEN: { description: 'The row asks for what the caller may not give.' },
  },
})

const BulkRowError = builder.objectRef<BulkRowFailure>('BulkRowError').implement({
  description: 'Why one row failed.',
  fields: (t) => ({
    code: t.field({
      type: BulkRowErrorCode,
      description: 'What kind of failure it was.',
      resolve: ({ code }) => code,
    }),
    message: t.exposeString('message', { description: 'What went wrong, for people.' }),
    path: t.stringList({
      description: 'Where in the arguments; empty when it is not about one place.',
      resolve: ({ path }) => path.map(String),
    }),
  }),
})

const BulkRowType = builder.objectRef<BulkRow>('BulkRow').implement({
  description: 'What became of one row.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: 'Place of the row in the input, from 0.' }),
    status: t.field({ type: BulkRowStatus, description: 'What became of it.', resolve: ({ status }) => status }),
    id: t.exposeID('id', {
      nullable: true,
      description: 'What the row stands for; null when there is nothing, as for most rows that failed.',
    }),
    error: t.field({
      type: BulkRowError,
      nullable: true,
      description: 'Why the row failed; null when it did not.',
      resolve: ({ error }) => error,
    }),
  }),
})

/** The one payload of every mutation that goes through many rows. */
export const BulkPayload = builder.objectRef<BulkResult>('BulkPayload').implement({
  description: 'What became of many rows. One bad row never stops the rest.',
  fields: (t) => ({
    processed: t.int({ description: 'Rows in all.', resolve: ({ rows }) => rows.length }),
    created: t.int({
      description: 'Rows that made something new.',
      resolve: ({ rows }) => countBulkRows(rows).created,
    }),
    updated: t.int({
      description: 'Rows that changed something.',
      resolve: ({ rows }) => countBulkRows(rows).updated,
    }),
    skipped: t.int({
      description: 'Rows for which nothing had to be done.',
      resolve: ({ rows }) => countBulkRows(rows).skipped,
    }),
    failed: t.int({ description: 'Rows that failed.', resolve: ({ rows }) => countBulkRows(rows).failed }),
    rows: t.field({
      type: [BulkRowType],
      description: 'Every row, in the order of the input; at most 10,000.',
      resolve: ({ rows }) => inTurns(rows, ROWS_AT_ONCE),
    }),
  }),
})
