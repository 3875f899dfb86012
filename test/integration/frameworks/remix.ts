/** Remix's adapter for Node, which passes the client beside the request. */

import { createRequestListener, type FetchHandler } from '@remix-run/node-fetch-server'
import { type Framework, LIAR, PEER } from '../framework-suite.ts'
import { answerRequest } from './fetch-app.ts'
import { fixed, http2Ways, type Listener, listenerWays, type Way, wrapped } from './running.ts'

interface RemixApp {
  readonly handler: FetchHandler
  readonly trustProxy: boolean
}

const report: FetchHandler = async (request, client) => await answerRequest(request, client.address, false)

function listener({ handler, trustProxy }: RemixApp): Listener {
  return createRequestListener(handler, { trustProxy }) as Listener
}

export const remix: Framework<RemixApp> = {
  name: 'Remix’s node-fetch-server',
  prefix: 'none',
  settings: [
    { name: 'trustProxy false', app: () => ({ handler: report, trustProxy: false }), withoutProxyFix: PEER },
    { name: 'trustProxy true', app: () => ({ handler: report, trustProxy: true }), withoutProxyFix: LIAR },
  ],
  ways: Object.fromEntries(
    Object.entries({ ...listenerWays, ...http2Ways }).map(([name, way]): [string, Way<RemixApp>] => [
      `its listener ${name}`,
      async (app, options) => await way(listener(app), options),
    ]),
  ),
}

/** Where Remix trusts a proxy by itself, what it hands on is no longer what came: so this is for apps that leave it off. */
export const remixHandler: Framework<RemixApp> = {
  ...remix,
  name: 'Remix’s node-fetch-server around a wrapped handler',
  readsTargetFirst: true,
  settings: remix.settings.slice(0, 1),
  ways: {
    'on node:http': async ({ handler, trustProxy }, options) =>
      await wrapped(listener({ handler: fixed(handler, options), trustProxy })),
  },
}
