/** Keys in memory at once. Fewer than are in use, and they are read again and again; more, and memory grows with them. */
export const CACHE_KEYS_DEFAULT = 30_000
export const CACHE_KEYS_MIN = 1_000
/** A map holds no more than some 16 million entries. */
export const CACHE_KEYS_MAX = 10_000_000
