/**
 * The app of whoami.js as a Fetch handler. It has never heard of proxies either: the request says which URL
 * was asked for, and the second argument, which is what Hono's Node adapter passes too, who is connected.
 *
 *     npx proxyfix serve examples/whoami-fetch.js --x-for 1 --x-proto 1
 */
export default {
  fetch(request, env) {
    const { remoteAddress, remotePort } = env?.incoming?.socket ?? {}

    const answer = {
      address: remoteAddress ?? null,
      port: remotePort ?? null, // most proxies do not tell it
      scheme: new URL(request.url).protocol.slice(0, -1),
      host: request.headers.get('host'),
      url: request.url,
    }
    return new Response(`${JSON.stringify(answer, null, 2)}\n`, { headers: { 'content-type': 'application/json' } })
  },
}
