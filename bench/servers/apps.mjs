/** What do all servers answer? Address, scheme and host of the request, as one line of text. */

/** Where the connection ends: what everybody answers who believes no header. */
export const PEER = '127.0.0.1 http 127.0.0.1:PORT'
/** Who trusts one proxy. */
export const CLIENT = '203.0.113.9 https www.example.com'

export function send(res, address, scheme, host) {
  const body = `${address} ${scheme} ${host}`
  res.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length })
  res.end(body)
}

export function nodeApp(req, res) {
  send(res, req.socket.remoteAddress, req.socket.encrypted ? 'https' : 'http', req.headers.host)
}

const INIT = { headers: { 'content-type': 'text/plain' } }

/**
 * @param addressOf Where this platform tells the client.
 * @param Answer Its class of Responses; absent: the global one of the moment, as an app reads it.
 */
export function fetchApp(addressOf, Answer) {
  return (request, platform) => {
    const { url } = request
    const schemeEnd = url.indexOf(':')
    const host = url.slice(schemeEnd + 3, url.indexOf('/', schemeEnd + 3))
    return new (Answer ?? Response)(`${addressOf(request, platform)} ${url.slice(0, schemeEnd)} ${host}`, INIT)
  }
}
