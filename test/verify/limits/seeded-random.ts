/** Numbers that a seed determines. */
export interface Random {
  /** An integer from `from` to `to`, both included. */
  int(from: number, to: number): number
  chance(probability: number): boolean
  pick<T>(list: readonly T[]): T
}

/** Runs the body with new seeds each time, or with the one in `SEED`; a failure names the seed that repeats it. */
export function withSeeds(runs: number, body: (random: Random) => void): void {
  for (const seed of listSeeds(runs)) {
    try {
      body(createRandom(seed))
    } catch (cause) {
      throw nameSeed(seed, cause)
    }
  }
}

/** The same for a body that has to be awaited. */
export async function withSeedsAsync(runs: number, body: (random: Random) => Promise<void>): Promise<void> {
  for (const seed of listSeeds(runs)) {
    try {
      await body(createRandom(seed))
    } catch (cause) {
      throw nameSeed(seed, cause)
    }
  }
}

function listSeeds(runs: number): number[] {
  const given = process.env.SEED
  if (given !== undefined) return [Number(given)]
  return Array.from({ length: runs }, () => Math.floor(Math.random() * 2 ** 32))
}

function nameSeed(seed: number, cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause)
  return new Error(`SEED=${seed} fails: ${message}`, { cause })
}

/** Mulberry32. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (from: number, to: number) => from + Math.floor(next() * (to - from + 1))
  return {
    int,
    chance: (probability) => next() < probability,
    pick<T>(list: readonly T[]): T {
      for (const picked of list.slice(int(0, list.length - 1))) return picked
      throw new Error('Nothing to pick from.')
    },
  }
}
