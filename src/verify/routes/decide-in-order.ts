import { KeywardError } from '../../errors/keyward-error.ts'
import type { Clock } from '../../lib/clock.ts'

/**
 * Decides the items of a batch, and says of each what came of it.
 *
 * In order, as far as it can be told from outside: an item that needs no waiting is decided when its turn comes, and
 * items of one key are decided one after the other. So of 20 items on a limit of 10 it is the first 10 that are admitted. Only
 * a key that must be read first may be decided after later items of other keys: waiting for it would make a batch of cold
 * keys as slow as all their reads together.
 *
 * Bounded: few items wait at once; after some items other requests have their turn; and when the batch has taken too
 * long, which happens when the database hangs, the rest of it is given up.
 */
export interface DecideInOrder<Item, Result> {
  readonly items: readonly Item[]
  /** Items with the same name are decided one after the other. */
  readonly nameOf: (item: Item) => string
  readonly decide: (item: Item) => Result | Promise<Result>
  /** Makes a result of what `decide` threw, or of UNAVAILABLE for an item that was given up. */
  readonly fail: (error: unknown) => Result
  readonly clock: Clock
}

/** Higher, and one batch of cold keys takes the reads that other verifiers need. */
const WAITING_MAX = 64
/** About a millisecond of decisions. Lower, and a batch is slower; higher, and others wait for it. */
const ITEMS_PER_TURN = 250
const DECIDE_MAX_MS = 5_000

export async function decideInOrder<Item, Result>(batch: DecideInOrder<Item, Result>): Promise<Result[]> {
  const { items, nameOf, decide, fail, clock } = batch
  const startedAt = clock.now()
  const results: Result[] = new Array(items.length)
  /** The last item of each name that is not decided yet. */
  const undecided = new Map<string, Promise<void>>()
  let onDecided: (() => void) | null = null

  function attempt(item: Item): Result | Promise<Result> {
    if (clock.now() - startedAt > DECIDE_MAX_MS) return fail(tooSlow())
    try {
      const result = decide(item)
      return result instanceof Promise ? result.catch(fail) : result
    } catch (error) {
      return fail(error)
    }
  }

  function settleLater(index: number, name: string, result: Promise<Result>): void {
    const decided = result.then((settled) => {
      results[index] = settled
      if (undecided.get(name) === decided) undecided.delete(name)
      waiting--
      onDecided?.()
    })
    waiting++
    undecided.set(name, decided)
  }

  let waiting = 0
  for (const [index, item] of items.entries()) {
    if (index % ITEMS_PER_TURN === 0 && index > 0) await nextTurn()
    while (waiting >= WAITING_MAX) await new Promise<void>((resolve) => (onDecided = resolve))
    const name = nameOf(item)
    const earlier = undecided.get(name)
    const result = earlier === undefined ? attempt(item) : earlier.then(() => attempt(item))
    if (result instanceof Promise) settleLater(index, name, result)
    else results[index] = result
  }
  await Promise.all(undecided.values())
  return results
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function tooSlow(): KeywardError {
  return new KeywardError('UNAVAILABLE', 'The batch took too long; this item was not begun.', { retryAfterSeconds: 1 })
}
