import { randomBytes } from 'node:crypto'

/** Where unpredictable bytes come from; tests can make them repeatable. */
export type RandomBytes = (length: number) => Uint8Array

export const systemRandomBytes: RandomBytes = (length) => randomBytes(length)
