/**
 * Scope queries: `orders:read AND (orders:write OR crm:*)`.
 *
 *     query = and-group *( OR and-group )
 *     and-group = factor *( AND factor )
 *     factor = scope name | "(" query ")"
 *
 * AND binds tighter than OR. Keywords may be written in any case: a scope name always has a colon, so no spelling of AND or
 * OR can be taken for one. A wildcard in a query is a scope like any other: `crm:*` asks for the whole of `crm:`, not
 * for something below it (see scope-set.ts).
 *
 * The parser is handed text by callers, so its work is bounded: one pass, a length limit, and a limit on nesting, which is
 * also the limit of its recursion. Callers that see the same queries again keep a small memo of parsed ones.
 */

import { parseScopeName } from './scope-name.ts'
import type { ScopeSet } from './scope-set.ts'

export const SCOPE_QUERY_CHARACTERS_MAX = 1000

/** Parentheses inside parentheses. Ten is more than people write; each level is a stack frame in parsing and evaluation. */
export const SCOPE_QUERY_NESTING_MAX = 10

export type ScopeQuery =
  | { readonly kind: 'scope'; readonly name: string }
  | { readonly kind: 'and'; readonly terms: readonly ScopeQuery[] }
  | { readonly kind: 'or'; readonly terms: readonly ScopeQuery[] }

export type ScopeQueryProblem = {
  readonly ok: false
  /** 1-based, in UTF-16 code units; one past the end when the text stops too early. */
  readonly column: number
  /** What could have stood there. */
  readonly expected: string
  /** A whole sentence with column and expectation. */
  readonly detail: string
}

export type ScopeQueryParse = { readonly ok: true; readonly query: ScopeQuery } | ScopeQueryProblem

type Token = {
  readonly kind: 'word' | 'and' | 'or' | 'open' | 'close' | 'end'
  readonly text: string
  readonly column: number
}

/** Parses a scope query. Never throws; a refusal says the column and what was expected there. */
export function parseScopeQuery(text: string): ScopeQueryParse {
  if (text.length > SCOPE_QUERY_CHARACTERS_MAX) {
    return problem(SCOPE_QUERY_CHARACTERS_MAX + 1, `the end, at most ${SCOPE_QUERY_CHARACTERS_MAX} characters in all`)
  }
  const tokens = readTokens(text)
  const end: Token = { kind: 'end', text: '', column: text.length + 1 }
  let position = 0
  const peek = (): Token => tokens[position] ?? end

  function parseOr(depth: number): ScopeQueryParse {
    return parseChain('or', () => parseChain('and', () => parseFactor(depth)))
  }

  function parseChain(keyword: 'and' | 'or', parseTerm: () => ScopeQueryParse): ScopeQueryParse {
    const first = parseTerm()
    if (!first.ok || peek().kind !== keyword) return first
    const terms = [first.query]
    while (peek().kind === keyword) {
      position++
      const next = parseTerm()
      if (!next.ok) return next
      terms.push(next.query)
    }
    return { ok: true, query: { kind: keyword, terms } }
  }

  function parseFactor(depth: number): ScopeQueryParse {
    const token = peek()
    if (token.kind === 'open') return parseGroup(token, depth + 1)
    if (token.kind !== 'word') return problem(token.column, 'a scope or "("')
    position++
    return parseScope(token)
  }

  function parseGroup(open: Token, depth: number): ScopeQueryParse {
    if (depth > SCOPE_QUERY_NESTING_MAX) {
      return problem(open.column, `a scope, parentheses nest at most ${SCOPE_QUERY_NESTING_MAX} deep`)
    }
    position++
    const inner = parseOr(depth)
    if (!inner.ok) return inner
    if (peek().kind !== 'close') return problem(peek().column, 'AND, OR or ")"')
    position++
    return inner
  }

  const parsed = parseOr(0)
  if (parsed.ok && peek().kind !== 'end') return problem(peek().column, 'AND, OR or the end')
  return parsed
}

/** Whether the set grants what the query asks. */
export function evaluateScopeQuery(query: ScopeQuery, set: ScopeSet): boolean {
  switch (query.kind) {
    case 'scope':
      return set.grants(query.name)
    case 'and':
      return query.terms.every((term) => evaluateScopeQuery(term, set))
    case 'or':
      return query.terms.some((term) => evaluateScopeQuery(term, set))
  }
}

/**
 * The scopes that would have to be granted in addition for the query to hold, each once; empty exactly when it holds. Of
 * the branches of an OR the one that lacks least is taken, the first of equals. Each OR chooses on its own: the
 * smallest answer over all of them together is a set-cover problem, and an explanation is not worth that search.
 */
export function findMissingInQuery(query: ScopeQuery, set: ScopeSet): string[] {
  return [...new Set(collectMissing(query, set))]
}

function collectMissing(query: ScopeQuery, set: ScopeSet): string[] {
  switch (query.kind) {
    case 'scope':
      return set.grants(query.name) ? [] : [query.name]
    case 'and':
      return query.terms.flatMap((term) => collectMissing(term, set))
    case 'or':
      return query.terms
        .map((term) => findMissingInQuery(term, set))
        .reduce((least, next) => (next.length < least.length ? next : least))
  }
}

function parseScope(token: Token): ScopeQueryParse {
  const scope = parseScopeName(token.text)
  if (scope.ok) return { ok: true, query: { kind: 'scope', name: scope.name } }
  return problem(token.column + scope.column - 1, 'a scope such as orders:read', scope.detail)
}

function problem(column: number, expected: string, reason?: string): ScopeQueryProblem {
  const detail = `Column ${column}: expected ${expected}.`
  return { ok: false, column, expected, detail: reason === undefined ? detail : `${detail} ${reason}` }
}

function readTokens(text: string): Token[] {
  const tokens: Token[] = []
  let index = 0
  while (index < text.length) {
    const start = index
    const character = text.charAt(index)
    index++
    if (isBlank(character)) continue
    const column = start + 1
    if (character === '(') tokens.push({ kind: 'open', text: character, column })
    else if (character === ')') tokens.push({ kind: 'close', text: character, column })
    else {
      while (index < text.length && !isWordEnd(text.charAt(index))) index++
      const word = text.slice(start, index)
      tokens.push({ kind: wordKind(word), text: word, column })
    }
  }
  return tokens
}

function wordKind(word: string): 'and' | 'or' | 'word' {
  const upper = word.length <= 3 ? word.toUpperCase() : word
  return upper === 'AND' ? 'and' : upper === 'OR' ? 'or' : 'word'
}

function isWordEnd(character: string): boolean {
  return character === '(' || character === ')' || isBlank(character)
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r'
}
