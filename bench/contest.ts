import type { LoadOrder } from './load-order.ts'
import type { LoadProcess, Measurement, ServerUnderTest } from './processes.ts'
import { median } from './statistics.ts'

/**
 * Contenders are measured in turns, in changing order, and what counts are the ratios within one round: a machine that
 * slows down slows all of them. The first contender is the one that the others are compared with.
 */
export interface Contender {
  readonly name: string
  readonly server: ServerUnderTest
  readonly order: LoadOrder
}

/** One measurement of each contender, in their order. */
type Round = readonly Measurement[]

export interface Contest {
  /** The median over the rounds. */
  column(contender: number, pick: (measurement: Measurement) => number): number
  /** The median ratio of a contender to another, and the least and the greatest. */
  ratio(contender: number, to: number, pick: (measurement: Measurement) => number): Ratio
}

export interface Ratio {
  readonly median: number
  readonly least: number
  readonly greatest: number
}

export async function holdContest(
  load: LoadProcess,
  contenders: readonly Contender[],
  roundCount: number,
): Promise<Contest> {
  const rounds: Round[] = []
  for (let round = -1; round < roundCount; round++) {
    const measured: Measurement[] = []
    const places = [...contenders.keys()]
    for (const place of round % 2 === 0 ? places : places.reverse()) {
      const contender = contenders[place]
      if (contender !== undefined) measured[place] = await load.run(contender.order, contender.server)
    }
    // The first round warms up.
    if (round >= 0) rounds.push(measured)
  }
  return {
    column: (contender, pick) => median(rounds.map((round) => pick(at(round, contender)))),
    ratio(contender, to, pick) {
      const ratios = rounds.map((round) => pick(at(round, contender)) / pick(at(round, to)))
      return { median: median(ratios), least: Math.min(...ratios), greatest: Math.max(...ratios) }
    },
  }
}

function at(round: Round, contender: number): Measurement {
  const measurement = round[contender]
  if (measurement === undefined) throw new Error('A contender was not measured.')
  return measurement
}
