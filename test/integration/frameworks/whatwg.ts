/** The adapter of @whatwg-node/server, and GraphQL Yoga, which stands on it. Both make a request's URL of `originalUrl`. */

import type { IncomingMessage } from 'node:http'
import { createServerAdapter } from '@whatwg-node/server'
import { createSchema, createYoga } from 'graphql-yoga'
import type { FetchObject, ProxyFixOptions } from '../../../src/index.ts'
import type { Framework, Report } from '../framework-suite.ts'
import { answerRequest, gullibleOrNot, reportRequest } from './fetch-app.ts'
import { fixed, http2Ways, type Listener, onOurServer, onWrappedServer, wrapped } from './running.ts'

/** What it is given beside the request: under its own name by itself, under Hono's by our server. */
interface Context {
  readonly req?: IncomingMessage
  readonly incoming?: IncomingMessage
}

function addressIn({ req, incoming }: Context): string | undefined {
  return (req ?? incoming)?.socket.remoteAddress
}

const ways = {
  'wrapped, on node:http': wrapped,
  'on a node:http server that is wrapped': onWrappedServer,
  ...http2Ways,
}

/** On our server it is a Fetch handler, which is given the URL to route by. */
const asFetchHandler = {
  prefix: 'none',
  ways: {
    'on our server': onOurServer,
    'its fetch method wrapped, on our server': async (app: Listener, options?: ProxyFixOptions) =>
      await onOurServer({ fetch: (fixed(app, options) as unknown as FetchObject).fetch }),
  },
} as const

export const whatwg: Framework<Listener> = {
  name: '@whatwg-node/server',
  prefix: 'routes by the original URL',
  settings: gullibleOrNot(
    (isGullible) =>
      createServerAdapter<Context>(
        async (request, context) => await answerRequest(request, addressIn(context), isGullible),
      ) as unknown as Listener,
  ),
  ways,
}

/** Its report is the answer to a query, which every request is taken for. */
function yoga(isGullible: boolean): Listener {
  return createYoga<Context>({
    graphqlEndpoint: '*',
    cors: false,
    logging: false,
    schema: createSchema<Context & { request: Request }>({
      typeDefs: 'scalar Report type Query { report: Report }',
      resolvers: {
        Query: {
          report: async (_: unknown, __: unknown, context: Context & { request: Request }): Promise<Report> =>
            await reportRequest(context.request, addressIn(context), isGullible),
        },
      },
    }),
    plugins: [
      {
        onRequestParse: ({ setRequestParser }) => setRequestParser(() => ({ query: '{ report }' })),
        onResultProcess: ({ setResultProcessor }) =>
          setResultProcessor((result, { Response }) => {
            const { report } = (result as unknown as { data: { report: Report } }).data
            return new Response(JSON.stringify(report), {
              headers: { 'Set-Cookie': report.secure ? 'cart=7; Secure' : 'cart=7' },
            })
          }, 'application/json'),
      },
    ],
  }) as unknown as Listener
}

export const graphqlYoga: Framework<Listener> = {
  name: 'GraphQL Yoga',
  prefix: 'routes by the original URL',
  settings: gullibleOrNot(yoga),
  ways,
}

export const whatwgFetch: Framework<Listener> = {
  ...whatwg,
  ...asFetchHandler,
  name: '@whatwg-node/server as a Fetch handler,',
}
export const graphqlYogaFetch: Framework<Listener> = {
  ...graphqlYoga,
  ...asFetchHandler,
  name: 'GraphQL Yoga as a Fetch handler,',
}
