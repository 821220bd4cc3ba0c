import { setImmediate as yieldToOthers } from 'node:timers/promises'

/** Gives out a long list so that whoever goes through it leaves others their turns: after every so many items. */
export async function* inTurns<Item>(items: Iterable<Item>, itemsAtOnce: number): AsyncGenerator<Item> {
  let given = 0
  for (const item of items) {
    if (given++ === itemsAtOnce) {
      await yieldToOthers()
      given = 1
    }
    yield item
  }
}
