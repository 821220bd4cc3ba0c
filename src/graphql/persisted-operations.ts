import { createHash } from 'node:crypto'
import type { GraphQLParams } from 'graphql-yoga'
import { z } from 'zod'
import { KeywardError, validationFailed } from '../errors/keyward-error.ts'
import type { OperationParams } from './graphql-params.ts'

/**
 * Documents that are known by the hash of their text, so that clients need not send them, and, where the operator says so, the
 * only ones that are executed. A stranger can then make the server do nothing that its own clients would not.
 */
export interface PersistedOperations {
  /** Whether everything else is refused. */
  readonly isRequired: boolean
  /**
   * What to execute. Throws PERSISTED_QUERY_NOT_FOUND for a hash that nobody knows, PERSISTED_QUERY_REQUIRED for a document
   * that is not among those that are allowed, and VALIDATION_FAILED when a document is not the one that its hash names.
   */
  resolve(params: OperationParams): GraphQLParams
}

/** By document identifier: `sha256:` and 64 hexadecimal digits (GraphQL over HTTP, appendix A). */
export type OperationManifest = ReadonlyMap<string, string>

/** The file of persisted operations is not what it should be. The message is a sentence for the operator. */
export class OperationManifestError extends Error {
  override readonly name = 'OperationManifestError'
}

const manifestShape = z.record(z.string(), z.string())

/**
 * Reads what GraphQL Code Generator's client preset writes as `persisted-documents.json`: one object with each document
 * under the SHA-256 of its text. Throws OperationManifestError.
 */
export function parseOperationManifest(text: string): OperationManifest {
  const manifest = new Map<string, string>()
  for (const [name, document] of Object.entries(readShape(text))) {
    const id = identifyDocument(document)
    if (id !== name && id !== `${ID_PREFIX}${name}`) {
      throw new OperationManifestError(`The document under ${name} has another SHA-256: ${id}.`)
    }
    manifest.set(id, document)
  }
  return manifest
}

function readShape(text: string): Record<string, string> {
  try {
    return manifestShape.parse(JSON.parse(text))
  } catch {
    throw new OperationManifestError('It is no JSON object of documents by the SHA-256 of their text.')
  }
}

export function createPersistedOperations(manifest: OperationManifest, isRequired: boolean): PersistedOperations {
  function findDocument(id: string): string {
    const document = manifest.get(id)
    if (document === undefined) {
      throw new KeywardError('PERSISTED_QUERY_NOT_FOUND', 'No document is kept under this hash.')
    }
    return document
  }

  return {
    isRequired,
    resolve({ documentId: id, query, ...params }) {
      if (query === null) return { ...params, query: findDocument(id) }
      const ownId = id === null && !isRequired ? null : identifyDocument(query)
      if (id !== null && id !== ownId) {
        throw validationFailed([{ path: ['query'], detail: 'is not the document whose hash was sent with it' }])
      }
      if (isRequired && !(ownId !== null && manifest.has(ownId))) {
        throw new KeywardError('PERSISTED_QUERY_REQUIRED', 'This document is not among those that the server executes.')
      }
      return { ...params, query }
    },
  }
}

const ID_PREFIX = 'sha256:'

function identifyDocument(document: string): string {
  return ID_PREFIX + createHash('sha256').update(document).digest('hex')
}
