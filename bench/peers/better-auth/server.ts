import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { apiKey } from '@better-auth/api-key'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import pg from 'pg'
import { PEER_KEYS, peerKey } from './keys.ts'

/**
 * Better Auth's API keys behind node:http: a body comes in, `verifyApiKey` decides, its answer goes out. Its keys have
 * permissions, of which one is asked for, and a limit that is too high to deny; all else is as it comes.
 *
 * Started with the URL of an empty database of its own; prints its address.
 */
const pool = new pg.Pool({ connectionString: process.argv[2], max: 16 })
const options = {
  database: pool,
  baseURL: 'http://127.0.0.1',
  secret: 'a secret of the bench, which guards nothing',
  logger: { disabled: true },
  telemetry: { enabled: false },
  plugins: [apiKey({ rateLimit: { enabled: true, timeWindow: 86_400_000, maxRequests: 1_000_000_000 } })],
}
const auth = betterAuth(options)

const { runMigrations } = await getMigrations(options)
await runMigrations()
await pool.query(
  `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
   VALUES ('bench', 'bench', 'bench@example.com', true, now(), now())`,
)
const template = await auth.api.createApiKey({
  body: {
    name: 'bench key',
    userId: 'bench',
    permissions: { orders: ['read', 'write'], crm: ['read', 'write'] },
  },
})

/** As its own hasher does; `createApiKey` for each would take half a minute. */
function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}

const keys = Array.from({ length: PEER_KEYS }, (_, index) => peerKey(index))
await pool.query(
  `INSERT INTO apikey
   SELECT (jsonb_populate_record(template, jsonb_build_object('id', 'bench' || place, 'key', hash))).*
     FROM apikey template, unnest($2::text[]) WITH ORDINALITY AS copy(hash, place)
    WHERE template.id = $1`,
  [template.id, keys.map(hashKey)],
)
await pool.query('VACUUM ANALYZE apikey')

const server = createServer((req, res) => {
  let body = ''
  req.setEncoding('utf8')
  req.on('data', (chunk) => {
    body += chunk
  })
  req.on('end', async () => {
    const verdict = await auth.api.verifyApiKey({ body: JSON.parse(body) })
    const text = JSON.stringify(verdict)
    res.writeHead(200, ['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(text))])
    res.end(text)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') process.stdout.write(`http://127.0.0.1:${address?.port}\n`)
})
process.on('SIGTERM', () => process.exit())
