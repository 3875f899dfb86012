/**
 * What does proxyFix add to a request over HTTP, and what do frameworks take that read address, scheme and host by their
 * own trust settings? The first row stands twice: what the two differ by is noise.
 *
 *     npm run bench -- frameworks
 */

import { measureServers } from './lib/http-rounds.mjs'
import { runAlone } from './lib/section.mjs'
import { javascript } from './lib/servers.mjs'

const BARE = 'node:http'

export function measure({ quick = false } = {}) {
  const servers = [
    javascript(BARE, { bare: true }),
    { ...javascript(BARE, { bare: true }), name: 'node:http again', against: BARE },
    { ...javascript('fix by hand'), name: 'limit: the same places set by hand', against: BARE },
    { ...javascript('fix and run by hand'), name: 'limit: the same, and AsyncLocalStorage.run', against: BARE },
    { ...javascript('proxyFix'), name: 'node:http, proxyFix', against: BARE, cpu: { most: 1.03 } },
    {
      ...javascript('requestContext'),
      name: 'node:http, proxyFix, requestContext',
      against: BARE,
      cpu: { most: 1.07 },
    },
    ...['express', 'fastify', 'koa'].map((name) => ({ ...javascript(name), against: BARE })),
    { ...javascript('hono'), name: 'hono, headers read by hand', against: BARE },
    { ...javascript('srvx'), against: BARE },
  ]
  return measureServers('Over HTTP', servers, { quick })
}

await runAlone(import.meta.url, measure)
