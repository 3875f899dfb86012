/**
 * Which handler does `MODULE[:EXPORT | :FACTORY(literal arguments)]` name? Every way to fail has a sentence of its own.
 *
 * Two rules tell a handler from a factory, as both are functions: what is written as a call is called, and what has one
 * of a factory's usual names (`createApp`, `create_app`, `makeApp`, `make_app`) is called without arguments.
 */

import type { Server } from 'node:http'
import { describeNonHandler, type CallableHandler, isClass, isHandler } from '../middleware/handler.ts'
import { isServer } from '../middleware/whole-server.ts'
import { ProxyFixError, show } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import { parseAppSpec } from './app-spec.ts'
import { authoredExports } from './common-exports.ts'
import { findModule } from './find-module.ts'
import { exportInstead, servedFor } from './framework-app.ts'
import { type Exports, failure, importModule, listeningSockets, settled } from './import-module.ts'

/** Tried in this order when no export is named. */
const USUAL_EXPORTS = ['default', 'app', 'application', 'handler']
const FACTORIES: readonly string[] = ['createApp', 'create_app', 'makeApp', 'make_app']

const CODE = 'ERR_PROXYFIX_APP'

/** What a spec can name: a handler, or a server that does not listen by itself. */
export type LoadedApp = CallableHandler | Server

/** What was found, and what to call it in a sentence. */
interface Found {
  readonly name: string
  readonly value: unknown
  /** The object that it is a method of. */
  readonly owner?: unknown
}

/**
 * Loads the handler that a module exports.
 *
 * @param spec A JavaScript file, or a TypeScript one where this Node strips types, or the name of a package, as an `import`
 * in `cwd` finds it; then, after a colon, the name of an export (`app`, `apps.admin`), or a call of one that makes the app (`createApp('production', { pool: 4 })`), with
 * literal arguments. Without one: `default`, `app`, `application`, `handler`, a module that exports `fetch`, or a
 * factory. Apps of Koa, Fastify, Nest, Polka, Restify and Hapi are asked for their handler.
 * @param options.cwd Where relative paths begin. Default: the working directory.
 * @throws ProxyFixError `ERR_PROXYFIX_APP`, saying what was wrong and how to mend it. Its `cause` is what the app's own
 * code threw, if it did.
 */
export async function loadApp(spec: string, options: { readonly cwd?: string } = {}): Promise<LoadedApp> {
  const { path: name, names: written, args } = parseAppSpec(spec)
  const mayNameExport = written === undefined
  const {
    file,
    path,
    names = written,
  } = finding(name, () => findModule(name, options.cwd ?? process.cwd(), { mayNameExport }))
  const before = listeningSockets()
  const imported = await importModule(file, path, CODE)
  const exports = reading(path, () => authoredExports(imported, file))
  const found =
    reading(path, () => {
      if (names === undefined) return pickUsual(exports)
      // Of CommonJS the whole is the default to Node, and to those who know that.
      return pickNamed(names[0] === 'default' && !('default' in exports) ? imported : exports, names, path)
    }) ?? (await noUsual(exports, path, before))
  const made = args === undefined && !isUsualFactory(found) ? found : await makeApp(found, args, path)
  // A promise that is exported is refused: its rejection ends the process before anybody here could wait for it.
  const served =
    made.value instanceof Promise
      ? made.value
      : await settled(servedFor(made.value), `${quote(made.name)} of ${path} could not be made ready`, CODE)
  return reading(path, () => servable(served, made.name, path))
}

function servable(served: unknown, name: string, path: string): LoadedApp {
  if (isServer(served)) return notListening(served as Server, name, path)
  if (isClass(served)) fail(`${quote(name)} of ${path} cannot be served: it is a class; export an instance of it.`)
  if (isHandler(served)) return served
  const what = exportInstead(served) ?? describeNonHandler(served)
  fail(`${quote(name)} of ${path} cannot be served: it is ${what}.`)
}

/** A name can be one that no file can have. */
function finding<T>(name: string, find: () => T): T {
  try {
    return find()
  } catch (error) {
    if (error instanceof ProxyFixError) throw error
    fail(`${show(name)} cannot be looked for: ${(error as Error).message.replace(/\.$/, '')}.`) // as Node throws them
  }
}

/** To read a member is to run code of the app, where a getter is behind it. */
function reading<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ProxyFixError && error.code === CODE) throw error
    throw failure(error, `What ${path} exports could not be read`, CODE)
  }
}

function pickNamed(exports: Exports, names: readonly string[], path: string): Found {
  let found: Found = { name: path, value: exports }
  for (const name of names) {
    const owner = found.value
    if (!isObject(owner) || !(name in owner)) noSuchName(name, found, owner === exports, path)
    const fullName = owner === exports ? name : `${found.name}.${name}`
    found = { name: fullName, value: (owner as Exports)[name], owner: owner === exports ? undefined : owner }
  }
  return found
}

function noSuchName(name: string, { name: ownerName, value: owner }: Found, isModule: boolean, path: string): never {
  const names = isObject(owner) ? Object.keys(owner) : []
  const near = nearest(name, names)
  const hint =
    near !== undefined
      ? `did you mean ${quote(near)}?`
      : names.length > 0
        ? `it ${isModule ? 'exports' : 'has'} ${names.map(quote).join(', ')}.`
        : isModule
          ? 'it exports nothing.'
          : 'it has no members.'
  fail(`${isModule ? `${path} has no export` : `${quote(ownerName)} of ${path} has no member`} ${quote(name)}: ${hint}`)
}

function pickUsual(exports: Exports): Found | undefined {
  const present = USUAL_EXPORTS.filter((name) => name in exports)
  const name = present.find((one) => isHandler(exports[one])) ?? present[0]
  if (name !== undefined) return { name, value: exports[name] }
  if (typeof exports['fetch'] === 'function') return { name: 'fetch', value: { fetch: exports['fetch'] } }
  const factory = FACTORIES.find((one) => typeof exports[one] === 'function')
  return factory === undefined ? undefined : { name: factory, value: exports[factory] }
}

/** @param before How many sockets were listened on before the module was loaded. */
async function noUsual(exports: Exports, path: string, before: number): Promise<never> {
  await new Promise(setImmediate) // with an address, listen() takes a turn
  const names = Object.keys(exports)
  const hint = names.length === 0 ? '' : ` (it exports ${names.map(quote).join(', ')})`
  if (listeningSockets() > before) {
    fail(
      `${path} exports no app${hint}, and listens by itself: export its handler as default or app and leave out its listen(), or start it with node itself.`,
    )
  }
  fail(`${path} exports no app${hint}: export a handler as default or app, or name one as in ${path}:NAME.`)
}

/** A function with a factory's name, or a default export that was declared with one. */
function isUsualFactory({ name, value, owner }: Found): boolean {
  if (typeof value !== 'function' || owner !== undefined) return false
  return FACTORIES.includes(name === 'default' ? value.name : name)
}

/** Calls a factory; without `args` because of its name alone. */
async function makeApp(
  { name, value, owner }: Found,
  args: readonly unknown[] | undefined,
  path: string,
): Promise<Found> {
  if (typeof value !== 'function') {
    fail(
      `${quote(name)} of ${path} cannot be called: it is ${kindOf(value)}; write ${path}:${name} without parentheses.`,
    )
  }
  if (args === undefined && value.length > 0) {
    const count = value.length === 1 ? 'an argument' : `${value.length} arguments`
    fail(
      `The factory ${quote(name)} of ${path} wants ${count}: write them as literals, as in ${path}:${name}('text', 7), or ${path}:${name}() to give none.`,
    )
  }
  const call = `${name}()`
  const app = await settled(
    // In a promise, so that what it throws at once is like what it rejects with.
    Promise.resolve().then(() => Reflect.apply(value as (...given: unknown[]) => unknown, owner, args ?? [])),
    `The factory ${quote(name)} of ${path} failed`,
    CODE,
  )
  if (app === undefined || app === null) {
    fail(`The factory ${quote(name)} of ${path} returned ${app === null ? 'null' : 'nothing'}: let it return the app.`)
  }
  return { name: call, value: app }
}

/** A server that listens serves past this one: nothing in front of the app would see those requests. */
function notListening(server: Server, name: string, path: string): Server {
  if (!server.listening) return server
  fail(
    `${quote(name)} of ${path} is a server that listens already: leave out its listen(), or start the program with node itself.`,
  )
}

function kindOf(value: unknown): string {
  return value === undefined || value === null
    ? String(value)
    : Array.isArray(value)
      ? 'an array'
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

function quote(text: string): string {
  return `'${text}'`
}

function fail(message: string): never {
  throw new ProxyFixError(CODE, message)
}
