/**
 * A bounded map that forgets what has not been used for long: CLOCK, the second-chance form of LRU.
 *
 * A hit sets one bit and moves nothing, which is what makes it cheap; the price is that the victim is *an* old entry,
 * not always the oldest. The bit lies in the entry itself, so that a hit touches no memory that its user would not touch
 * anyway. The hand is a live iterator over the map, so that it walks past the holes that deletions leave once per
 * round: a fresh iterator for each eviction would step over all of them each time.
 */
export interface Lru<K, V extends LruEntry> {
  readonly size: number
  /** The entry, which thereby counts as used. */
  get(key: K): V | undefined
  /** The entry, without counting as a use. */
  peek(key: K): V | undefined
  /** Stores an entry; when the map is full, one that was not used lately gives way. */
  set(key: K, entry: V): void
  delete(key: K): boolean
  clear(): void
}

export interface LruEntry {
  /** Belongs to the map once the entry is in it. An entry that begins as used outlives the hand's next round. */
  usedLately: boolean
}

export interface LruOptions<K, V> {
  readonly entriesMax: number
  /** Told about each entry that gave way to another one; not about `delete`, `clear` or a replaced entry. */
  readonly onEvict?: (key: K, entry: V) => void
}

/** Bounds the work of one eviction when every entry was used since the hand's last round. */
const STEPS_MAX = 32

export function createLru<K, V extends LruEntry>({ entriesMax, onEvict }: LruOptions<K, V>): Lru<K, V> {
  if (!Number.isSafeInteger(entriesMax) || entriesMax < 1) throw new RangeError('entriesMax is a positive integer.')
  const entries = new Map<K, V>()
  let hand = entries.entries()

  function evictOne(): void {
    for (let step = 1; ; step++) {
      let next = hand.next()
      if (next.done) {
        hand = entries.entries()
        next = hand.next()
        if (next.done) return
      }
      const [key, entry] = next.value
      if (entry.usedLately && step < STEPS_MAX) {
        entry.usedLately = false
        continue
      }
      entries.delete(key)
      onEvict?.(key, entry)
      return
    }
  }

  return {
    get size() {
      return entries.size
    },
    get(key) {
      const entry = entries.get(key)
      if (entry !== undefined && !entry.usedLately) entry.usedLately = true
      return entry
    },
    peek: (key) => entries.get(key),
    set(key, entry) {
      if (entries.size >= entriesMax && !entries.has(key)) evictOne()
      entries.set(key, entry)
    },
    delete: (key) => entries.delete(key),
    clear() {
      entries.clear()
      hand = entries.entries()
    },
  }
}
