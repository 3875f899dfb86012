/** Requests as `node:http` makes them, without its parser: its own class, lines not yet read, a socket with a peer. */

import { once } from 'node:events'
import { createServer, IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'

const BROWSER = [
  ['Host', 'app.internal'],
  [
    'User-Agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  ],
  ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
  ['Accept-Language', 'en-US,en;q=0.5'],
  ['Accept-Encoding', 'gzip, deflate, br, zstd'],
  ['Cookie', 'session=0123456789abcdef; theme=dark'],
].flat()

const text = (value) => Buffer.from(value, 'latin1').toString('latin1')

/** What a browser and one proxy send, in 64 variants. */
export const behindProxy = Array.from({ length: 64 }, (_, index) => [
  ...BROWSER,
  ...Object.entries({
    'X-Forwarded-For': text(`198.51.100.1, 203.0.113.${index}`),
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': text(`www${index}.example.com`),
    Connection: 'keep-alive',
  }).flat(),
])

/** The same without the proxy. */
export const direct = behindProxy.map((lines) => [...lines.slice(0, BROWSER.length), ...lines.slice(-2)])

/** @returns Makes a request with these lines; all of them are of one real connection. */
export async function requestMaker() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect(server.address().port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: app.internal\r\n\r\n')
  const [{ socket }] = await once(server, 'request')
  for (const end of [server, client, socket]) end.unref() // the process ends when it has measured
  return (lines) => {
    const req = new IncomingMessage(socket)
    // oxlint-disable-next-line no-underscore-dangle -- as the parser does it
    req._addHeaderLines(lines.slice(), lines.length)
    req.httpVersionMajor = 1
    req.httpVersionMinor = 1
    req.method = 'GET'
    req.url = '/path?query=1'
    return req
  }
}

/** Its response, which writes nowhere until it is given a socket. */
export const responseTo = (req) => new ServerResponse(req)
