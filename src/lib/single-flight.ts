/**
 * Lets one call do the work that several callers ask for at the same time: while work for a key is under way, further
 * callers get its promise. A failure is shared like a result and remembered no longer than the flight.
 */
export interface SingleFlight<K, V> {
  /** How many keys have work under way. */
  readonly size: number
  isUnderWay(key: K): boolean
  run(key: K, work: () => Promise<V>): Promise<V>
}

export function createSingleFlight<K, V>(): SingleFlight<K, V> {
  const flights = new Map<K, Promise<V>>()
  return {
    get size() {
      return flights.size
    },
    isUnderWay: (key) => flights.has(key),
    run(key, work) {
      const underWay = flights.get(key)
      if (underWay !== undefined) return underWay
      const flight = land(key, work)
      flights.set(key, flight)
      return flight
    },
  }

  async function land(key: K, work: () => Promise<V>): Promise<V> {
    try {
      // The pause lets `run` enter the flight before work that never awaits can leave it.
      await null
      return await work()
    } finally {
      flights.delete(key)
    }
  }
}
