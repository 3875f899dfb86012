/**
 * Which handler stands for the app of a framework? Most frameworks' apps are handlers. Some have to be asked for one,
 * and are known by their members here: importing a framework to ask by its class would bring another copy of it.
 *
 * Where an app keeps a server, the server is what stands for it: what it answers to upgrades it has put there.
 */

import { isHandler } from '../middleware/handler.ts'

type App = Readonly<Record<string, unknown>>

interface Framework {
  /** The methods that an app of it has. */
  readonly methods: readonly string[]
  /** Its handler or its server, or a sentence that says what to export instead. */
  readonly served: ((app: App) => unknown) | string
}

const KOA: Framework = { methods: ['callback', 'listen', 'use'], served: (app) => call(app, 'callback') }

const FASTIFY: Framework = {
  methods: ['ready', 'routing', 'listen'],
  async served(app) {
    await call(app, 'ready')
    return app['server']
  },
}

const NEST: Framework = {
  methods: ['getHttpAdapter', 'getHttpServer', 'init', 'listen'],
  async served(app) {
    await call(app, 'init')
    await servedFor(call(call(app, 'getHttpAdapter') as App, 'getInstance')) // Fastify below it wants to be ready, too
    return call(app, 'getHttpServer')
  },
}

const POLKA: Framework = { methods: ['handler', 'listen', 'onNoMatch'], served: (app) => app['handler'] }

const RESTIFY: Framework = { methods: ['pre', 'use', 'listen', 'getDebugInfo'], served: (app) => app['server'] }

const HAPI: Framework = {
  methods: ['initialize', 'route', 'ext', 'inject'],
  async served(app) {
    await call(app, 'initialize')
    return app['listener']
  },
}

const H3_V1: Framework = {
  methods: ['handler', 'resolve', 'use'],
  served: 'an app of h3 version 1: export toNodeListener(app), which h3 has',
}

const FRAMEWORKS: readonly Framework[] = [NEST, KOA, FASTIFY, POLKA, RESTIFY, HAPI, H3_V1]

/**
 * The handler or the server that an app of a framework stands for; any other value as it is.
 * @throws whatever the app throws while it is made ready.
 */
export async function servedFor(value: unknown): Promise<unknown> {
  const served = frameworkOf(value)?.served
  return typeof served === 'function' ? await served(value as App) : value // an app, as it has its methods
}

/** Whether it is an app that may have to be asked for its handler. */
export function isFrameworkApp(value: unknown): boolean {
  return frameworkOf(value) !== undefined
}

/** What an app is that cannot tell its handler, and what to export instead; a clause for after a verb. */
export function exportInstead(value: unknown): string | undefined {
  const served = frameworkOf(value)?.served
  return typeof served === 'string' ? served : undefined
}

function frameworkOf(value: unknown): Framework | undefined {
  if (typeof value !== 'object' || value === null || isHandler(value)) return undefined
  return FRAMEWORKS.find(({ methods }) => methods.every((name) => typeof (value as App)[name] === 'function'))
}

function call(app: App, method: string): unknown {
  return Reflect.apply(app[method] as () => unknown, app, []) // frameworkOf has seen it
}
