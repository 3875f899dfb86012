/**
 * What does `proxyfix serve` cost beside other servers with the same app: one process with Node and Fetch handlers, and two
 * workers, also beside the servers of Python with Werkzeug's ProxyFix? The whole stack is proxyFix and requestContext.
 *
 *     npm run bench -- server
 */

import { measureServers } from './lib/http-rounds.mjs'
import { runAlone } from './lib/section.mjs'
import { javascript, proxyfix, pythonServers, TRUST } from './lib/servers.mjs'

const BARE = 'node:http'
const LOG = ['--access-log', '/dev/null']
const TWO = ['-w', '2']
/** Only where overheads are compared has everybody the same memory. */
const AS_IT_COMES = { memory: [] }
const WHOLE = 'proxyfix serve -w 2, whole stack'
/** The limit: the same places set by hand, and `AsyncLocalStorage.run`. */
const BY_HAND = 'node:cluster, fix and run by hand'

/** What the whole stack is to do, times what these do. */
const OVER_PYTHON = {
  'gunicorn, sync': 6,
  'gunicorn, gevent': 4,
  'uWSGI, http-socket': 2,
  'uWSGI, http11-socket': 2,
  eventlet: 7,
  'twistd web': 18,
}

export async function measure({ quick = false } = {}) {
  const fetchPeers = ['@hono/node-server', 'srvx', 'srvx, FastResponse']
  const ofNode = [
    javascript(BARE, { bare: true }),
    { ...javascript(BARE, { bare: true }), name: 'node:http again' },
    { ...proxyfix('proxyfix serve', 'node', []), cpu: { most: 1.03 } },
    proxyfix('proxyfix serve, proxyFix', 'node'),
    proxyfix('proxyfix serve, whole stack', 'nodeInContext'),
    proxyfix('proxyfix serve, whole stack, access log', 'nodeInContext', [...TRUST, ...LOG]),
    javascript('fastify'),
  ].map((server, index) => (index === 0 ? server : { ...server, against: BARE }))
  const ofFetch = [
    ...fetchPeers.map((name) => javascript(name)),
    { ...proxyfix('proxyfix serve, proxyFix', 'fetchHandler'), against: fetchPeers, cpu: { most: 1 } },
    { ...proxyfix('proxyfix serve, whole stack', 'fetchInContext'), against: fetchPeers },
  ]
  const ofTwo = [
    { ...javascript('node:cluster', { bare: true, ...AS_IT_COMES }), name: 'node:cluster by hand' },
    {
      ...proxyfix('proxyfix serve -w 2', 'node', TWO, AS_IT_COMES),
      against: 'node:cluster by hand',
      cpu: { most: 1 },
      throughput: { least: 1 },
    },
    { ...proxyfix(WHOLE, 'nodeInContext', [...TRUST, ...TWO], AS_IT_COMES), against: 'node:cluster by hand' },
    { ...javascript(BY_HAND, AS_IT_COMES), against: 'node:cluster by hand' },
    proxyfix('proxyfix serve -w 2, whole stack, access log', 'nodeInContext', [...TRUST, ...TWO, ...LOG], AS_IT_COMES),
    proxyfix('proxyfix serve -w 2, whole stack, Fetch handler', 'fetchInContext', [...TRUST, ...TWO], AS_IT_COMES),
    ...pythonServers(),
  ].map((server, index) => (index < 4 ? server : { ...server, against: WHOLE }))
  const comparisons = Object.entries(OVER_PYTHON).flatMap(([against, least]) => [
    { name: WHOLE, against, goal: { least } },
    { name: BY_HAND, against },
  ])
  return [
    ...(await measureServers('Server, Node handler', ofNode, { quick })),
    ...(await measureServers('Server, Fetch handler', ofFetch, { quick })),
    ...(await measureServers('Server, two workers', ofTwo, { quick, pinned: false, comparisons })),
  ]
}

await runAlone(import.meta.url, measure)
