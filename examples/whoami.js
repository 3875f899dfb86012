/**
 * An app that tells its visitors who they are, as a Node handler. It has never heard of proxies: it reads
 * the socket and the Host header, like any app. Behind a reverse proxy it names the proxy; try it with and
 * without the two options:
 *
 *     npx proxyfix serve examples/whoami.js --x-for 1 --x-proto 1
 */
export default function whoami(req, res) {
  const { remoteAddress, remotePort, encrypted } = req.socket
  const scheme = encrypted ? 'https' : 'http'
  const host = req.headers.host
  const path = req.originalUrl ?? req.url // where something mounts apps below a path, as Express does, url is a part of it

  const answer = {
    address: remoteAddress,
    port: remotePort ?? null, // most proxies do not tell it
    scheme,
    host,
    url: `${scheme}://${host}${path}`,
  }
  res.setHeader('content-type', 'application/json')
  res.end(`${JSON.stringify(answer, null, 2)}\n`)
}
