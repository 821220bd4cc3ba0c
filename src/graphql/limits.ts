/** Rows that one page of a list holds at most. */
export const PAGE_SIZE_MAX = 100
/** Rows of a page when `first` is not given. */
export const PAGE_SIZE_DEFAULT = 20
/** Levels of selection. The deepest document that a dashboard sends has 6; introspection has 13. */
export const DEPTH_MAX = 15
/** Aliases of one operation. */
export const ALIASES_MAX = 30
/** Tokens of one document. The introspection query of GraphiQL has about 400. */
export const TOKENS_MAX = 2000
/** Characters of one document. Documents that were parsed are remembered, so this bounds what strangers can fill memory with. */
export const DOCUMENT_CHARACTERS_MAX = 50_000
/** Documents that are remembered as parsed and validated, at up to a megabyte each; dashboards send a few dozen. */
export const DOCUMENTS_REMEMBERED_MAX = 100
/** Fields at the root of one operation. */
export const ROOT_FIELDS_MAX = 20
/** Points of one operation: each field costs one, once per row that could come back. A page of 100 keys costs about 4000. */
export const COST_MAX = 20_000
/** Points of each change, beside what it answers with: a transaction, and for a login the hashing of a password. */
export const CHANGE_COST = 100
/** Points of each look at the schema. GraphiQL takes one when it is opened. */
export const INTROSPECTION_COST = 1000
/**
 * Points that a person or a key may spend in any minute when nobody says otherwise: some 7500 pages of 100 keys, or 250,000
 * changes. Lower, and programs that do much in little time are refused; higher, and one of them can take the whole server.
 */
export const ACTOR_POINTS_DEFAULT = 30_000_000
/** Points that callers who have not said who they are may spend from one address: some 9000 logins. */
export const ADDRESS_POINTS_DEFAULT = 1_000_000
/** Bytes of a request's body from whoever it is. */
export const BODY_BYTES_MAX = 1024 * 1024
/**
 * Bytes of a body from a caller who has proven who it is: ten thousand rows of an import have 10 MiB, an OpenAPI document
 * has 16, and quotes come on top. Each is read in a thread (`large-body.ts`), and what is found in it copied back in one go: a
 * millisecond for a megabyte of rows, next to nothing for long texts. Higher, and everybody feels each import.
 */
export const LARGE_BODY_BYTES_MAX = 24 * 1024 * 1024
/** Bodies beyond `BODY_BYTES_MAX` that are received at once. It bounds the memory that they take. */
export const LARGE_BODIES_MAX = 8
/**
 * Characters from which on a text in the variables of a large body is not copied into the memory of the thread that answers. No
 * field may take a text as long as this that does not ask for its bytes (`long-texts.ts`).
 */
export const LONG_TEXT_CHARACTERS_MIN = 256 * 1024
