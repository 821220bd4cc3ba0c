import { createServer } from 'node:http'
import { answerHeaders } from './answer.ts'
import './report-cpu.ts'

/**
 * The yardstick: the least that a node:http server can do with the same request. It reads the body, parses it as JSON,
 * and answers with as many bytes and the same headers as `/verify` does.
 *
 * Started as `node bench/bare-server.ts <answer bytes>`; prints its port.
 */
const answer = `"${'x'.repeat(Number(process.argv[2] ?? '400') - 2)}"`

const server = createServer((req, res) => {
  let body = ''
  req.setEncoding('utf8')
  req.on('data', (chunk: string) => {
    body += chunk
  })
  req.on('end', () => {
    const { key } = JSON.parse(body)
    if (typeof key !== 'string') throw new Error('The load is wrong.')
    res.writeHead(200, answerHeaders(Buffer.byteLength(answer), 'aaaaaaaaaaa-aaaa'))
    res.end(answer)
  })
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') process.stdout.write(`${address?.port}\n`)
})
