/**
 * What stands before the apps of the demo where there is no nginx? A small reverse proxy on `node:http` that
 * writes the same headers as nginx-proxy.mjs: it appends to X-Forwarded-For and replaces the others, so that
 * only what it saw itself stands on the right of each. What it does not know, it passes on as it came.
 */

import { createServer, request as startRequest } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { pipeline } from 'node:stream'

/** They are about one connection, not about the request (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * @param upstreams The URLs of the apps.
 * @param certificate Absent: no TLS.
 * @returns For each app the URLs to ask the proxy at; it lives as long as the script.
 */
export async function startForwardingProxy({ upstreams, certificate }) {
  async function listen(server, upstream, scheme) {
    server.on('request', (req, res) => forward(req, res, upstream, scheme))
    await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
    return `${scheme}://127.0.0.1:${server.address().port}`
  }

  const sites = []
  for (const upstream of upstreams) {
    const http = await listen(createServer(), upstream, 'http')
    const https = certificate && (await listen(createSecureServer(certificate), upstream, 'https'))
    sites.push({ http, https })
  }
  return sites
}

function forward(req, res, upstream, scheme) {
  const options = { method: req.method, path: req.url, headers: forwardedHeaders(req, scheme), agent: false }
  const onward = startRequest(upstream, options, (answer) => {
    res.writeHead(answer.statusCode, withoutHopByHop(answer.headers, answer.headers.connection))
    pipeline(answer, res, () => {})
  })
  onward.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end('Bad gateway\n')))
  pipeline(req, onward, () => {})
}

function forwardedHeaders(req, scheme) {
  const { host = '', connection, ...received } = req.headers
  const client = req.socket.remoteAddress
  const forwardedFor = received['x-forwarded-for']
  const isChunked = received['transfer-encoding'] !== undefined
  return {
    ...withoutHopByHop(received, connection),
    // Node would send the body of a DELETE without any framing.
    ...(isChunked && { 'transfer-encoding': 'chunked' }),
    host: host.toLowerCase().replace(/:\d*$/, ''),
    'x-real-ip': client,
    // Node has joined several lines of it to one list already, in order.
    'x-forwarded-for': forwardedFor === undefined ? client : `${forwardedFor}, ${client}`,
    'x-forwarded-proto': scheme,
    'x-forwarded-host': host,
  }
}

function withoutHopByHop(headers, connection = '') {
  const named = new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name) && !named.has(name)))
}
