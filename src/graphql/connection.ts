import { builder } from './builder.ts'

export const OrderDirection = builder.enumType('OrderDirection', {
  description: 'In which direction a list is sorted.',
  values: {
    ASC: { description: 'The lowest first: the earliest time, the beginning of the alphabet.' },
    DESC: { description: 'The highest first: exactly the reverse.' },
  } as const,
})

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
