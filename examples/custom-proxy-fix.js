/**
 * A proxy that tells the public host in a header of its own, `X-FHost`, and an app that links to itself by the Host header.
 * The rewriter puts the one in place of the other; the counts are for what the proxy tells besides.
 *
 *     npx proxyfix serve examples/custom-proxy-fix.js
 *     curl -H 'X-FHost: shop.example' -H 'X-Forwarded-Proto: https' http://127.0.0.1:8000/cart
 *
 * Whoever reaches the app can send X-FHost, so it is believed only of a proxy on this machine.
 */
import { HeaderRewriter, proxyFix, stack } from 'proxyfix'

class CustomProxyFix extends HeaderRewriter {
  rewrite(request) {
    const host = request.connection?.trusted ? request.headers.get('x-fhost') : null
    if (host) request.host = host
  }
}

function app(req, res) {
  const scheme = req.socket.encrypted ? 'https' : 'http'
  res.end(`You are at ${scheme}://${req.headers.host}${req.url}\n`)
}

export default stack(app, proxyFix({ xFor: 1, xProto: 1, trustedProxies: 'loopback' }), CustomProxyFix)
