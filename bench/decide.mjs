/**
 * What does the decision alone cost, and does a client's text make it dearer? Beside it: what other packages take for the
 * address alone, and the limit, written by hand: where the last value begins, and one check that it is valid.
 *
 *     npm run bench -- decide
 */

import fastifyProxyAddr from '@fastify/proxy-addr'
import forwarded from 'forwarded'
import forwardedParse from 'forwarded-parse'
import proxyAddr from 'proxy-addr'
import requestIp from 'request-ip'
import { resolveConnection, trustPolicy } from '../dist/index.js'
import { lastAddress, lastThree } from './lib/by-hand.mjs'
import { measureGroups } from './lib/micro.mjs'
import { runAlone } from './lib/section.mjs'

// srvx exports it to nobody, but every one of its servers calls it.
const { resolveClientIP } = await import(new URL('../_chunks/_trust-proxy.mjs', import.meta.resolve('srvx/node')))

const PROXIES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8', 'fc00::/7']
const PEER = '10.0.0.1'
const KILOBYTE = 1024

const address = trustPolicy({ xFor: 1, xProto: 0 })
const threeHops = trustPolicy({ xFor: 3, xProto: 0 })
const threeFields = trustPolicy({ xFor: 1, xProto: 1, xHost: 1 })
const walk = trustPolicy({ xFor: 'trusted', xProto: 0, trustedProxies: PROXIES })
const element = trustPolicy({ forwarded: 1 })
const elements = trustPolicy({ forwarded: 'trusted', trustedProxies: PROXIES })

// ---- what is asked, in as many variants as no compiler takes for one ----

/** As a header comes out of Node's parser: one piece of memory, not a rope. */
const flat = (text) => Buffer.from(text, 'latin1').toString('latin1')
const variants = (make, count = 64) => Array.from({ length: count }, (_, index) => make(index))

const client = (index) => `203.0.113.${index + 1}`
const proxy = (index) => `10.0.${index % 250}.${(index * 7) % 250}`
const proxies = (count) => Array.from({ length: count }, (_, index) => proxy(index))
const list = (...values) => flat(values.flat().join(', '))
/** What a client wrote before the values of the proxies: addresses, as long as that. */
const hostile = (length) => Array(Math.floor(length / '6.6.6.6, '.length)).fill('6.6.6.6')
const allTrusted = (length) => list(proxies(Math.floor(length / '10.0.100.100, '.length)))
const hostOf = (index) => flat(`www${index}.example.com`)
const elementOf = (index) => `for=${client(index)};proto=https;host=${hostOf(index)}`
const hostileElements = (length) => Array(Math.floor(length / 42)).fill('for=6.6.6.6;proto=https;host=evil.example')

const facts = (headers) => ({ peer: { address: PEER, port: 4711 }, scheme: 'http', host: 'app.internal', headers })
const withFor = (value) => facts({ 'x-forwarded-for': value })
/** As peers read it; some look for the socket in one place, some in another. */
const request = (value) => {
  const socket = { remoteAddress: PEER }
  return { headers: { 'x-forwarded-for': value }, socket, connection: socket, raw: undefined }
}

// ---- who answers ----

const ours = (policy) => (given) => resolveConnection(given, policy)
const trusts = proxyAddr.compile(PROXIES)
const fastifyTrusts = fastifyProxyAddr.compile(PROXIES)
const hops = (count) => (_, index) => index < count

const LIMIT = 'limit: lastIndexOf and isIP'

/** Everybody's answer for one hop, or several, counted. */
function counted(policy, count, make, { goal, size } = {}) {
  const values = variants(make, size)
  const requests = values.map(request)
  return [
    { name: LIMIT, inputs: values, call: lastAddress },
    { name: 'resolveConnection', inputs: values.map(withFor), call: ours(policy), against: LIMIT, goal },
    ...[
      { name: 'proxy-addr, hops', call: (req) => proxyAddr(req, hops(count)) },
      { name: '@fastify/proxy-addr, hops', call: (req) => fastifyProxyAddr(req, hops(count)) },
      { name: 'forwarded: the whole list', call: forwarded },
      { name: 'request-ip: the first value', call: (req) => requestIp.getClientIp(req) },
      { name: 'srvx, peer trusted', call: (req) => resolveClientIP([PEER], PEER, req.headers['x-forwarded-for']) },
    ].map((peer) => ({ ...peer, inputs: requests, against: LIMIT })),
  ]
}

/** A walk from the right past addresses that are trusted. */
function walked(make, { goal, size, exact = proxies(10) } = {}) {
  const values = variants(make, size)
  const requests = values.map(request)
  const known = [PEER, ...exact]
  return [
    { name: 'proxy-addr, compiled', inputs: requests, call: (req) => proxyAddr(req, trusts) },
    { name: 'resolveConnection', inputs: values.map(withFor), call: ours(walk), goal },
    { name: '@fastify/proxy-addr, compiled', inputs: requests, call: (req) => fastifyProxyAddr(req, fastifyTrusts) },
    {
      name: 'srvx, addresses (it knows no blocks)',
      inputs: requests,
      call: (req) => resolveClientIP(known, PEER, req.headers['x-forwarded-for']),
    },
  ].map((subject, index) => (index === 0 ? subject : { ...subject, against: 'proxy-addr, compiled' }))
}

export const groups = {
  'Decision: For, Proto and Host of one hop, validated': () => {
    const inputs = variants((index) =>
      facts({
        'x-forwarded-for': list('198.51.100.1', client(index)),
        'x-forwarded-proto': index % 2 === 0 ? 'https' : 'http',
        'x-forwarded-host': hostOf(index),
      }),
    )
    const limit = 'limit: the same three by hand'
    return [
      { name: limit, inputs, call: lastThree },
      {
        name: 'resolveConnection',
        inputs,
        call: ours(threeFields),
        against: limit,
        goal: { most: 1.7, bytes: 150 },
      },
    ]
  },
  'Decision: no such header': () => {
    const inputs = variants((index) => ({ ...facts({ accept: '*/*' }), host: hostOf(index) }))
    const sameHost = variants(() => ({ ...facts({ accept: '*/*' }), host: hostOf(0) }))
    const withoutHost = variants(() => ({ ...facts({ accept: '*/*' }), host: undefined }))
    const call = ours(threeFields)
    return [
      { name: 'resolveConnection', inputs, call, goal: { value: 20 } },
      { name: 'resolveConnection, the same Host each time', inputs: sameHost, call },
      { name: 'resolveConnection, no Host either', inputs: withoutHost, call },
      { name: 'the loop itself', inputs, call: (given) => given },
    ]
  },
  'Decision: address of one hop': () =>
    counted(address, 1, (index) => list('198.51.100.1', client(index)), { goal: { most: 2 } }),
  'Decision: address of three hops': () =>
    counted(threeHops, 3, (index) => list('198.51.100.1', client(index), proxies(2))),
  'Decision: address of one hop, after 16 KB of a client’s': () =>
    counted(address, 1, (index) => list(hostile(16 * KILOBYTE), client(index)), { goal: { most: 2 }, size: 16 }),
  'Decision: address of one hop, after 64 KB of a client’s': () =>
    counted(address, 1, (index) => list(hostile(64 * KILOBYTE), client(index)), { goal: { most: 2 }, size: 8 }),
  ...Object.fromEntries(
    [1, 3, 10].map((count) => [
      `Decision: walk past ${count} trusted`,
      () =>
        walked((index) => list(client(index), proxies(count)), {
          goal: count === 1 ? undefined : { faster: 10 },
          exact: proxies(count),
        }),
    ]),
  ),
  'Decision: walk past 3 trusted, after 16 KB of a client’s': () =>
    walked((index) => list(hostile(16 * KILOBYTE), client(index), proxies(3)), { size: 16 }),
  'Decision: 16 KB, all trusted': () => {
    const [theirs, mine, ...rest] = walked(() => allTrusted(16 * KILOBYTE), { goal: { faster: 100 }, size: 8 })
    const short = '1 KB: resolveConnection'
    const ownOf = (length) => ({ inputs: variants(() => withFor(allTrusted(length)), 8), call: ours(walk) })
    return [
      theirs,
      mine,
      ...rest.filter(({ name }) => !name.startsWith('srvx')),
      { name: short, ...ownOf(KILOBYTE) },
      { name: '64 KB: resolveConnection', ...ownOf(64 * KILOBYTE), against: short, goal: { most: 1.2 } },
    ]
  },
  'Decision: RFC 7239, last of three elements': () => {
    const texts = (length) =>
      variants((index) => list(hostileElements(length), elementOf(index)), length > KILOBYTE ? 16 : 64)
    const three = texts(2 * 42)
    const mine = 'resolveConnection'
    const own = (length) => ({ inputs: texts(length).map((value) => facts({ forwarded: value })), call: ours(element) })
    return [
      { name: 'forwarded-parse, all three', inputs: three, call: (text) => forwardedParse(text) },
      { name: mine, ...own(2 * 42), against: 'forwarded-parse, all three', goal: { faster: 2 } },
      {
        name: 'resolveConnection, after 16 KB of a client’s',
        ...own(16 * KILOBYTE),
        against: mine,
        goal: { most: 1.2 },
      },
      {
        name: 'resolveConnection, after 64 KB of a client’s',
        ...own(64 * KILOBYTE),
        against: mine,
        goal: { most: 1.2 },
      },
      {
        name: 'resolveConnection, walk past 3 trusted',
        inputs: variants((index) =>
          facts({
            forwarded: list(
              elementOf(index),
              proxies(3).map((hop) => `for=${hop}`),
            ),
          }),
        ),
        call: ours(elements),
        against: mine,
      },
    ]
  },
}

export const measure = (options) => measureGroups(import.meta.url, groups, options)
await runAlone(import.meta.url, measure)
