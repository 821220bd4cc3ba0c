/**
 * Lets one call do the work that several callers ask for at the same time: while work for a key is under way, further
 * callers get its promise. A failure is shared like a result and remembered no longer than the flight.
 */
export interface SingleFlight<K, V> {
  /** How many keys have work under way that can be joined. */
  readonly size: number
  isUnderWay(key: K): boolean
  run(key: K, work: () => Promise<V>): Promise<V>
  /**
   * Lets nobody else join the work under way. Its promise settles some turns after the result is decided; whoever
   * decides it can close the flight in that very moment, so that nobody joins who came later.
   */
  close(key: K): void
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
      const flight = begin(work).finally(() => {
        if (flights.get(key) === flight) flights.delete(key)
      })
      flights.set(key, flight)
      return flight
    },
    close(key) {
      flights.delete(key)
    },
  }
}

/** Work that throws before it awaits is a failed flight like any other. */
async function begin<V>(work: () => Promise<V>): Promise<V> {
  return work()
}
