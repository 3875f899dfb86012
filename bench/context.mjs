/**
 * What does a context cost over what the platform does anyway, and what do others take for theirs? Entering a request,
 * beside a bare `AsyncLocalStorage.run`; reading through a proxy, beside a read of the bare store.
 *
 *     npm run bench -- context
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { Socket } from 'node:net'
import { connection, ContextVar, g, Local, localProxy, request, requestContext, unwrap } from '../dist/context/index.js'
import { proxyFix } from '../dist/index.js'
import { measureGroups } from './lib/micro.mjs'
import { direct, requestMaker, responseTo } from './lib/node-requests.mjs'
import { runAlone } from './lib/section.mjs'

const BARE = 'AsyncLocalStorage.run, and one read of getStore()'
const ALONE = { value: 25, bytes: 64 }

const storage = new AsyncLocalStorage()

/** Requests with no listeners to bring along: what is measured is the context alone. */
const requests = Array.from({ length: 64 }, (_, index) => {
  const socket = new Socket()
  return { rawHeaders: [], headers: {}, socket, raw: { socket }, method: 'GET', url: `/${index}` }
})
const response = {}

const bare = (() => {
  const handler = (_req, _res) => storage.getStore().request.url
  return (req) => storage.run({ request: req }, handler, req, response)
})()
const called = (handler) => (req) => handler(req, response)

// ---- others, each as it is driven by its framework ----

/** Calls the hooks that it gives to Fastify, in the order that Fastify does. */
async function fastifyRequestContext() {
  const { fastifyRequestContext: plugin, requestContext: context } = await import('@fastify/request-context')
  const hooks = {}
  const ignore = () => undefined
  const fastify = {
    decorate: ignore,
    decorateRequest: ignore,
    addHook: (name, hook) => (hooks[name] = hook),
  }
  plugin(fastify, {}, ignore)
  const handler = () => context.get('request').url
  return (req) =>
    hooks.onRequest(req, response, () => {
      context.set('request', req)
      return hooks.preValidation(req, response, handler)
    })
}

/** Without plugins, for which it would wait. */
async function nestjsCls() {
  await import('reflect-metadata')
  const { NestFactory } = await import('@nestjs/core')
  const { CLS_REQ, ClsMiddleware, ClsModule, ClsServiceManager } = (await import('nestjs-cls')).default
  await NestFactory.createApplicationContext(
    { module: function App() {}, imports: [ClsModule.forRoot({})] },
    { logger: false },
  )
  const middleware = new ClsMiddleware({ saveReq: true, initializePlugins: false })
  const cls = ClsServiceManager.getClsService()
  let seen
  const handler = () => (seen = cls.get(CLS_REQ).url)
  return (req) => {
    void middleware.use(req, response, handler)
    return seen
  }
}

/** Up to where it waits: the promise of what comes next never settles. */
async function honoContextStorage() {
  const { contextStorage, getContext } = await import('hono/context-storage')
  const middleware = contextStorage()
  let seen
  const handler = () => {
    seen = getContext().req.url
    return new Promise(() => {})
  }
  return (req) => {
    void middleware({ req }, handler)
    return seen
  }
}

async function clsHooked() {
  const { default: cls } = await import('cls-hooked')
  const namespace = cls.createNamespace('bench')
  const handler = () => namespace.get('request').url
  return (req) =>
    namespace.runAndReturn(() => {
      namespace.set('request', req)
      return handler()
    })
}

/** A context beside ours: what both add to the bare one. */
const beside = (name, make, { goal, note } = {}) => ({
  [`Request context and one read, beside ${name}: added to a bare one`]: async () => [
    { name: BARE, inputs: requests, call: bare },
    { name, inputs: requests, call: await make(), minus: BARE, note },
    {
      name: 'requestContext',
      inputs: requests,
      call: called(requestContext((_req, _res) => request.url)),
      minus: BARE,
      against: name,
      goal,
    },
  ],
})

// ---- reads ----

const READ = 'One read, in a request'
const FLOOR = 'getStore().request.method'

/** One call of a subject is that many reads, as entering the request takes longer than one. */
const READS = 1000

/** Runs in a request that has everything to read; `getStore()` is of a context within it. */
async function requestToReadIn() {
  const requestOf = await requestMaker()
  let enter
  const app = proxyFix(
    requestContext((req) => {
      enter = storage.run({ request: req, user: new Map([['id', 7]]) }, () => AsyncLocalStorage.snapshot())
    }),
    { xFor: 1 },
  )
  const req = requestOf(direct[0])
  app(req, responseTo(req))
  return enter
}

async function reads() {
  const enter = await requestToReadIn()
  const user = { id: 7 }
  const variable = new ContextVar('variable')
  const variableProxy = localProxy(variable, { like: 'object' })
  const local = new Local()
  const attributeProxy = local.proxy('user')
  enter(() => {
    variable.set(user)
    local.user = user
    g.user = user
    request.id = 7
  })
  const known = { against: FLOOR, goal: { most: 1.5 } }
  const any = { against: FLOOR, goal: { most: 2.5 } }
  const floor = { against: FLOOR }
  const rows = Object.entries({
    [FLOOR]: [() => storage.getStore().request.method],
    'getStore().user.get(key)': [() => storage.getStore().user.get('id'), floor],
    'request.method': [() => request.method, known],
    'request.url': [() => request.url, known],
    'request.headers': [() => request.headers, known],
    'connection.scheme': [() => connection.scheme, known],
    'request.id, which the app has set': [() => request.id, any],
    'g.user': [() => g.user, any],
    'a proxy of a ContextVar': [() => variableProxy.id, any],
    'a proxy of a Local’s attribute': [() => attributeProxy.id, any],
    'a JavaScript Proxy that does nothing else': [
      (
        (minimal) => () =>
          minimal.method
      )(new Proxy({}, { get: (_, key) => storage.getStore().request[key] })),
      floor,
    ],
    'variable.get().id': [() => variable.get().id, floor],
    'local.user.id': [() => local.user.id, floor],
    'unwrap(request).method': [() => unwrap(request).method, floor],
  })
  return await Promise.all(
    rows.map(async ([name, [read, held]], index) => {
      const { timed } = await import(`./lib/driver.mjs?read${index}`)
      return { name, inputs: [undefined], call: () => enter(timed, read, [undefined], READS), ...held }
    }),
  )
}

// ---- what is measured ----

export const groups = {
  'Request context alone: added to a bare one': () => [
    { name: BARE, inputs: requests, call: bare },
    {
      name: 'behind a Proxy, as every wrapped handler is',
      inputs: requests,
      call: called(
        new Proxy((_req, _res) => storage.getStore().request.url, {
          apply: (call, self, args) => storage.run({ request: args[0] }, Reflect.apply, call, self, args),
        }),
      ),
      minus: BARE,
    },
    {
      name: 'requestContext',
      inputs: requests,
      call: called(requestContext((req, _res) => req.url)),
      minus: BARE,
      goal: ALONE,
    },
    {
      name: 'requestContext, and one read',
      inputs: requests,
      call: called(requestContext((_req, _res) => request.url)),
      minus: BARE,
    },
  ],
  'Request context of a Node request, with its listeners: added to a bare one': async () => {
    const requestOf = await requestMaker()
    const made = (handle) => (lines) => {
      const req = requestOf(lines)
      return handle(req, responseTo(req))
    }
    const handler = (req, _res) => storage.getStore().request === req
    return [
      {
        name: BARE,
        inputs: direct,
        call: made((req, res) => storage.run({ request: req }, handler, req, res)),
      },
      {
        name: 'requestContext',
        inputs: direct,
        call: made(requestContext((req, _res) => req.method)),
        minus: BARE,
        goal: ALONE,
      },
    ]
  },
  ...beside('nestjs-cls', nestjsCls, { goal: { faster: 5 }, note: 'no plugins, as it would wait for them' }),
  ...beside('@fastify/request-context', fastifyRequestContext, { note: 'its hooks alone' }),
  ...beside('hono/context-storage', honoContextStorage, { note: 'up to its await' }),
  ...beside('cls-hooked', clsHooked, { note: 'slows every promise besides' }),
  [READ]: reads,
}

export async function measure(options) {
  const rows = await measureGroups(import.meta.url, groups, options)
  return rows.map((row) => (row.group === READ ? ofOne(row) : row))
}

function ofOne({ value, spread, bytes, ...row }) {
  return { ...row, value: value / READS, spread: spread.map((figure) => figure / READS), bytes: bytes / READS }
}

await runAlone(import.meta.url, measure)
