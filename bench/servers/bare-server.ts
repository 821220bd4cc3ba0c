import { createServer } from 'node:http'

/**
 * The yardstick: the least that a node:http server can do with the same request. It reads the body, parses it as JSON,
 * and answers with as many bytes and the same headers as the server that it is compared with does.
 *
 * Started as `node bench/servers/bare-server.ts '{"headers": ["Name", "value", …], "body": "…"}'`; prints its port.
 */
export interface BareAnswer {
  /** Names and values in turn, without those that Node adds. */
  readonly headers: readonly string[]
  readonly body: string
}

const answer: BareAnswer = JSON.parse(process.argv[2] ?? '')

const server = createServer((req, res) => {
  let body = ''
  req.setEncoding('utf8')
  req.on('data', (chunk: string) => {
    body += chunk
  })
  req.on('end', () => {
    if (typeof JSON.parse(body) !== 'object') throw new Error('The load is wrong.')
    res.writeHead(200, [...answer.headers])
    res.end(answer.body)
  })
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') process.stdout.write(`http://127.0.0.1:${address?.port}\n`)
})
process.on('SIGTERM', () => process.exit())
