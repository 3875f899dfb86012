/**
 * What does fixing a request add to a handler, in nanoseconds and bytes? Every call makes a request, as a fix is kept, and
 * hands it to a handler that reads address, scheme and host; what the bare handler takes for the same is subtracted.
 *
 *     npm run bench -- fix
 */

import { proxyFix } from '../dist/index.js'
import { requestContext } from '../dist/context/index.js'
import { carryFix } from '../src/request/fetch.ts'
import { fixByHand } from './lib/by-hand.mjs'
import { bridgedRequest } from '../src/server/bridged-request.ts'
import { measureGroups } from './lib/micro.mjs'
import { behindProxy, direct, requestMaker, responseTo } from './lib/node-requests.mjs'
import { runAlone } from './lib/section.mjs'

const TRUST = { xFor: 1, xProto: 1, xHost: 1 }
const WALK = { xFor: 'trusted', xProto: 1, xHost: 1, trustedProxies: ['loopback', 'private'] }

const read = (req, _res) => [req.socket.remoteAddress, req.socket.encrypted, req.headers.host]
const readFetch = (request, { incoming: { socket } }) => [
  socket.remoteAddress,
  request.url,
  request.headers.get('host'),
]
const readForeign = (request, { remoteAddr }) => [remoteAddr.hostname, request.url, request.headers.get('host')]

const BARE = 'the request itself, read by a bare handler'
const REMADE = 'new Request(newUrl, old)'

/** A handler for each name, and what it adds to the first, which is bare. */
const added = (handlers, { inputs, make, goals = {} }) =>
  Object.entries(handlers).map(([name, handler], index) => ({
    name,
    inputs,
    call: (input) => make(input, handler),
    ...(index > 0 && { minus: BARE }),
    goal: goals[name],
  }))

export const groups = {
  'Fix of a Node request: added to a handler that reads address, scheme and host': async () => {
    const requestOf = await requestMaker()
    const handlers = {
      [BARE]: read,
      'limit: the same places set by hand': fixByHand(read),
      proxyFix: proxyFix(read, TRUST),
      'proxyFix, trustedProxies and a walk': proxyFix(read, WALK),
      'proxyFix, headers kept': proxyFix(read, { ...TRUST, headers: 'keep' }),
      'proxyFix, headers kept, no socket view': proxyFix(read, { ...TRUST, headers: 'keep', socket: false }),
      'proxyFix and requestContext': proxyFix(requestContext(read), TRUST),
    }
    const make = (lines, handler) => {
      const req = requestOf(lines)
      return handler(req, responseTo(req))
    }
    return added(handlers, { inputs: behindProxy, make, goals: { proxyFix: { value: 500, bytes: 512 } } })
  },
  'Fix of a Node request without such headers': async () => {
    const requestOf = await requestMaker()
    const make = (lines, handler) => handler(requestOf(lines), undefined)
    return added({ [BARE]: read, proxyFix: proxyFix(read, TRUST) }, { inputs: direct, make })
  },
  'Fix of a Fetch request that the bundled server makes': async () => {
    const requestOf = await requestMaker()
    const res = responseTo(requestOf(direct[0]))
    const bridged = (app, show) => (req) => app(show(req, bridgedRequest(req, res)), { incoming: req, outgoing: res })
    const handlers = {
      [BARE]: bridged(readFetch, (_, request) => request),
      'proxyFix: by the server': (
        (listener) => (req) =>
          listener(req, res)
      )(proxyFix((req, _res) => bridged(readFetch, carryFix)(req), TRUST)),
      'proxyFix: by the app': bridged(proxyFix({ fetch: readFetch }, TRUST).fetch, (_, request) => request),
    }
    const make = (lines, handler) => handler(requestOf(lines))
    return held(added(handlers, { inputs: behindProxy, make }), { faster: 10 })
  },
  'Fix of a Fetch request of another platform': () => {
    const info = { remoteAddr: { transport: 'tcp', hostname: '127.0.0.1', port: 4711 } }
    const handlers = { [BARE]: readForeign, proxyFix: proxyFix({ fetch: readForeign }, TRUST).fetch }
    const make = (init, handler) => handler(new Request('http://app.internal/path?query=1', init), info)
    return held(added(handlers, { inputs: fetchInits(), make }), { most: 1 })
  },
}

/** Beside what any Request with another URL costs. */
function held(subjects, goal) {
  const inputs = fetchInits().map((init) => new Request('http://app.internal/path?query=1', init))
  const remade = {
    name: REMADE,
    inputs,
    call: (old) => new Request('https://www.example.com/path?query=1', old),
  }
  const [bare, ...others] = subjects
  return [remade, bare, ...others.map((subject) => ({ ...subject, against: REMADE, goal }))]
}

function fetchInits() {
  return behindProxy.map((lines) => ({
    headers: lines.flatMap((name, index) => (index % 2 === 0 ? [[name, lines[index + 1]]] : [])),
  }))
}

export const measure = (options) => measureGroups(import.meta.url, groups, options)
await runAlone(import.meta.url, measure)
