import { IncomingMessage } from 'node:http'

/** Takes a body as it comes from the parser. Nothing is called any more after `onEnd`, or when the client goes away. */
export interface ChunkReceiver {
  onChunk(chunk: Buffer): void
  onEnd(): void
}

/**
 * A request whose body can be had without a stream in between. Node's parser hands over what it has read by `push`; a
 * stream then keeps it, schedules its own reading, emits it, and schedules its end. For a body of some hundred bytes,
 * which comes whole with its headers, that costs more than all that is done with it.
 *
 * A request whose body nobody takes this way is an ordinary stream.
 */
export class DirectRequest extends IncomingMessage {
  #receiver: ChunkReceiver | null = null

  /** False when a part of the body, or its end, has come already: then it is to be read from the stream. */
  takeBody(receiver: ChunkReceiver): boolean {
    if (this.complete || this.readableLength > 0) return false
    this.#receiver = receiver
    return true
  }

  get isTaken(): boolean {
    return this.#receiver !== null
  }

  override push(chunk: Buffer | null): boolean {
    if (this.#receiver === null) return super.push(chunk)
    if (chunk === null) this.#receiver.onEnd()
    else this.#receiver.onChunk(chunk)
    return true
  }
}

/**
 * The server asks so whether it may let go of the request when it is answered. (Readable declares a property, which
 * TypeScript does not let a class override by an accessor.)
 */
const streamEnded = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(IncomingMessage.prototype), 'readableEnded')
Object.defineProperty(DirectRequest.prototype, 'readableEnded', {
  configurable: true,
  get(this: DirectRequest): boolean {
    return this.isTaken ? this.complete : streamEnded?.get?.call(this)
  },
})
