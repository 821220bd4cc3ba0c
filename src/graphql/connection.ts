import { builder } from './builder.ts'

/** The total of a list, counted only when somebody asks. Shared by every connection type. */
export interface Counted {
  readonly count: () => Promise<number>
}

builder.globalConnectionField('totalCount', (t) =>
  t.int({
    description: 'Rows of the whole list, counted at the moment of asking.',
    resolve: (connection) => (connection as unknown as Counted).count(),
  }),
)
