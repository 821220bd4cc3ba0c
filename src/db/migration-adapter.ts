import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import { withDatabase } from './connection-url.ts'

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>

/**
 * Prisma's adapter, with what its engine for migrations needs beyond queries. A script goes to PostgreSQL whole: the
 * parent cuts it at every semicolon, also inside the body of a function. A shadow database is another one: the parent's
 * connects to the database of the address. And the one-letter columns of PostgreSQL's catalogue can be read.
 */
export class MigrationAdapter extends PrismaPg {
  readonly #pool: pg.Pool
  readonly #url: string
  /** What PostgreSQL said about the last script. The engine reports what fails after it instead. */
  scriptFailure: unknown = null

  /** @param url leads to the database that the pool is connected to */
  constructor(pool: pg.Pool, url: string) {
    super(pool)
    this.#pool = pool
    this.#url = url
  }

  override async connect() {
    const adapter = complete(await super.connect(), this.#pool)
    const executeScript = adapter.executeScript
    adapter.executeScript = async (script) => {
      this.scriptFailure = null
      await executeScript(script).catch((error: unknown) => {
        this.scriptFailure = error
        throw error
      })
    }
    return adapter
  }

  override async connectToShadowDb() {
    const name = `keyward_shadow_${randomUUID().replaceAll('-', '')}`
    await this.#pool.query(`CREATE DATABASE ${name}`)
    const connectionString = withDatabase(this.#url, name)
    const shadow = new pg.Pool({ connectionString, max: 1, idleTimeoutMillis: 0 })
    const adapter = complete(await new PrismaPg(shadow).connect(), shadow)
    adapter.dispose = async () => {
      await shadow.end()
      await this.#pool.query(`DROP DATABASE ${name} WITH (FORCE)`)
    }
    return adapter
  }
}

function complete(adapter: Adapter, pool: pg.Pool): Adapter {
  adapter.executeScript = async (script) => {
    await pool.query(script)
  }
  const letterColumns = presentLettersAsText(pool)
  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query)
    const letters = letterColumns.get(result.rows)
    const columnTypes = result.columnTypes.map((type, index) => (letters?.has(index) ? ColumnTypeEnum.Character : type))
    return { ...result, columnTypes }
  }
  return adapter
}

/** The type "char", which the adapter refuses. */
const LETTER_OID = 18
const TEXT_OID = 25

/** Calls one-letter columns text, and remembers by the rows of each result which ones they were. */
function presentLettersAsText(pool: pg.Pool): WeakMap<object, ReadonlySet<number>> {
  const letterColumns = new WeakMap<object, ReadonlySet<number>>()
  pool.query = new Proxy(pool.query, {
    apply: async (query, self, args) => {
      const result: unknown = await Reflect.apply(query, self, args)
      if (!isResult(result)) return result
      const letters = result.fields.filter((field) => field.dataTypeID === LETTER_OID)
      letterColumns.set(result.rows, new Set(letters.map((field) => result.fields.indexOf(field))))
      for (const field of letters) field.dataTypeID = TEXT_OID
      return result
    },
  })
  return letterColumns
}

interface Result {
  readonly rows: object
  readonly fields: { dataTypeID: number }[]
}

function isResult(value: unknown): value is Result {
  return (
    typeof value === 'object' && value !== null && 'rows' in value && 'fields' in value && Array.isArray(value.fields)
  )
}
