/**
 * A bounded map that forgets what has not been used for long: CLOCK, the second-chance form of LRU.
 *
 * A hit sets one bit and moves nothing, which is what makes it cheap; the price is that the victim is *an* old entry,
 * not always the oldest. The hand is a live iterator over the map, so that it walks past the holes that deletions leave
 * once per round: a fresh iterator for each eviction would step over all of them each time.
 */
export interface Lru<K, V> {
  readonly size: number
  /** The value, which thereby counts as used. */
  get(key: K): V | undefined
  /** The value, without counting as a use. */
  peek(key: K): V | undefined
  /** Stores a value; when the map is full, an entry that was not used lately gives way. */
  set(key: K, value: V): void
  delete(key: K): boolean
  clear(): void
  values(): IterableIterator<V>
}

export interface LruOptions<K, V> {
  readonly entriesMax: number
  /** Told about each entry that gave way to another one; not about `delete`, `clear` or a replaced value. */
  readonly onEvict?: (key: K, value: V) => void
}

interface Slot<V> {
  value: V
  used: boolean
}

/** Bounds the work of one eviction when every entry was used since the hand's last round. */
const STEPS_MAX = 32

export function createLru<K, V>({ entriesMax, onEvict }: LruOptions<K, V>): Lru<K, V> {
  if (!Number.isSafeInteger(entriesMax) || entriesMax < 1) throw new RangeError('entriesMax is a positive integer.')
  const slots = new Map<K, Slot<V>>()
  let hand = slots.entries()

  function evictOne(): void {
    for (let step = 1; ; step++) {
      let next = hand.next()
      if (next.done) {
        hand = slots.entries()
        next = hand.next()
        if (next.done) return
      }
      const [key, slot] = next.value
      if (slot.used && step < STEPS_MAX) {
        slot.used = false
        continue
      }
      slots.delete(key)
      onEvict?.(key, slot.value)
      return
    }
  }

  return {
    get size() {
      return slots.size
    },
    get(key) {
      const slot = slots.get(key)
      if (slot === undefined) return undefined
      if (!slot.used) slot.used = true
      return slot.value
    },
    peek: (key) => slots.get(key)?.value,
    set(key, value) {
      const slot = slots.get(key)
      if (slot !== undefined) {
        slot.value = value
        slot.used = true
        return
      }
      if (slots.size >= entriesMax) evictOne()
      slots.set(key, { value, used: false })
    },
    delete: (key) => slots.delete(key),
    clear() {
      slots.clear()
      hand = slots.entries()
    },
    *values() {
      for (const slot of slots.values()) yield slot.value
    },
  }
}
