/**
 * Who sends a request, as far as it can be told before its body is read. `IncomingMessage` is one; a request that was
 * read without Node's server has nothing beside this (`plain-request.ts`).
 */
export interface RequestHead {
  readonly headers: {
    readonly authorization?: string | undefined
    readonly 'x-forwarded-for'?: string | string[] | undefined
  }
  readonly socket: { readonly remoteAddress?: string | undefined }
}
