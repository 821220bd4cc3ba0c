import {
  type DocumentNode,
  GraphQLError,
  Kind,
  Lexer,
  type OperationDefinitionNode,
  type ParseOptions,
  parse,
  type SelectionSetNode,
  Source,
  TokenKind,
  type ValidationContext,
  type ValidationRule,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { KeywardError } from '../errors/keyward-error.ts'
import { ALIASES_MAX, DEPTH_MAX, DOCUMENT_CHARACTERS_MAX, ROOT_FIELDS_MAX, TOKENS_MAX } from './limits.ts'

/**
 * What a document may ask for, checked before any of it is executed:
 *
 *     text ─▶ characters, tokens ─▶ parsed ─▶ depth, aliases, root fields ─▶ validated ─▶ cost ─▶ executed
 *
 * Everything but the cost depends on the document alone: it is checked once, and remembered with the parsed document.
 * The cost depends on variables, such as the size of a page, and is counted for each execution (`cost-limits.ts`).
 */
export function documentLimits(): Plugin {
  return {
    onParse: ({ setParseFn }) => setParseFn(parseBounded),
    onValidate: ({ addValidationRule }) => addValidationRule(documentExtentRule),
  }
}

function parseBounded(source: string | Source, options?: ParseOptions): DocumentNode {
  const document = typeof source === 'string' ? new Source(source) : source
  if (document.body.length > DOCUMENT_CHARACTERS_MAX) {
    throw tooComplex(`The document has ${document.body.length} characters; at most ${DOCUMENT_CHARACTERS_MAX}`)
  }
  try {
    return parse(document, { ...options, maxTokens: TOKENS_MAX })
  } catch (error) {
    // The parser gives up at the same number, and does not tell that from a mistake in the document.
    if (hasTooManyTokens(document))
      throw tooComplex(`The document has more than ${TOKENS_MAX} tokens; at most that many`)
    throw error
  }
}

function hasTooManyTokens(document: Source): boolean {
  const lexer = new Lexer(document)
  try {
    for (let count = 0; count <= TOKENS_MAX; count++) if (lexer.advance().kind === TokenKind.EOF) return false
    return true
  } catch {
    return false
  }
}

/** How far a selection reaches. A fragment counts wherever it is spread. */
interface Extent {
  /** Levels of fields. */
  readonly depth: number
  readonly aliases: number
  /** Fields of its first level. */
  readonly fields: number
}

const NOTHING: Extent = { depth: 0, aliases: 0, fields: 0 }

/** Introspection is measured like anything else. */
const documentExtentRule: ValidationRule = (context) => {
  const measure = createMeasure(context)
  return {
    OperationDefinition(operation) {
      const { depth, aliases, fields } = measure(operation.selectionSet)
      const report = (detail: string) => reportTooComplex(context, operation, detail)
      if (depth > DEPTH_MAX) report(`The operation has ${depth} levels; at most ${DEPTH_MAX}`)
      if (aliases > ALIASES_MAX) report(`The operation has ${aliases} aliases; at most ${ALIASES_MAX}`)
      // Each field at the root is work of its own, and in a mutation a transaction of its own.
      if (fields > ROOT_FIELDS_MAX) report(`The operation has ${fields} fields at its root; at most ${ROOT_FIELDS_MAX}`)
    },
  }
}

/** Each fragment is measured once, however often it is spread: a chain of doubling fragments would take for ever. */
function createMeasure(context: ValidationContext): (selectionSet: SelectionSetNode) => Extent {
  const fragments = new Map<string, Extent>()

  function measureFragment(name: string): Extent {
    const known = fragments.get(name)
    if (known !== undefined) return known
    // A fragment that spreads itself is refused by another rule; here it must only come to an end.
    fragments.set(name, NOTHING)
    const fragment = context.getFragment(name)
    const extent = fragment ? measure(fragment.selectionSet) : NOTHING
    fragments.set(name, extent)
    return extent
  }

  function measure({ selections }: SelectionSetNode): Extent {
    let { depth, aliases, fields } = NOTHING
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        const below = selection.selectionSet ? measure(selection.selectionSet) : NOTHING
        depth = Math.max(depth, 1 + below.depth)
        aliases += below.aliases + (selection.alias ? 1 : 0)
        fields += 1
      } else {
        const isSpread = selection.kind === Kind.FRAGMENT_SPREAD
        const extent = isSpread ? measureFragment(selection.name.value) : measure(selection.selectionSet)
        depth = Math.max(depth, extent.depth)
        aliases += extent.aliases
        fields += extent.fields
      }
    }
    return { depth, aliases, fields }
  }

  return measure
}

function reportTooComplex(context: ValidationContext, operation: OperationDefinitionNode, detail: string): void {
  const originalError = tooComplex(detail)
  context.reportError(new GraphQLError(originalError.detail, { nodes: operation, originalError }))
}

export function tooComplex(detail: string): KeywardError {
  return new KeywardError('QUERY_TOO_COMPLEX', `${detail} are allowed.`)
}
