/** Which handler does `MODULE[:EXPORT]` name? Every way to fail has a sentence of its own. */

import { existsSync, statSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describeNonHandler, type CallableHandler, isHandler } from '../middleware/handler.ts'
import { ProxyFixError } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'

/** Tried in this order when no export is named. */
const USUAL_EXPORTS = ['default', 'app', 'application', 'handler']
const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts']

/**
 * Loads the handler that a module exports.
 *
 * @param spec A JavaScript file, or a TypeScript one where this Node strips types; then, after a colon, the
 * name of an export. Without one: `default`, `app`, `application`, `handler`, or a module that exports `fetch`.
 * @param options.cwd Where relative paths begin. Default: the working directory.
 * @throws ProxyFixError `ERR_PROXYFIX_APP`, saying what was wrong and how to mend it.
 */
export async function loadApp(spec: string, options: { readonly cwd?: string } = {}): Promise<CallableHandler> {
  const { path, name } = splitSpec(spec)
  const file = findFile(path, options.cwd ?? process.cwd())
  const exports = await load(file, path)
  const [found, value] = name === undefined ? pickUsual(exports, path) : [name, pickNamed(exports, name, path)]
  if (isHandler(value)) return value
  fail(`${quote(found)} of ${path} cannot be served: it is ${describeNonHandler(value)}.`)
}

function splitSpec(spec: string): { path: string; name: string | undefined } {
  // A colon before a slash or a backslash is a drive's (C:\app.js).
  const match = /^(.*?)(?::(?![\\/])([^:]*))?$/s.exec(spec)
  const [, path = '', name] = match ?? []
  if (path === '') fail(`${quote(spec)} names no module: write MODULE or MODULE:EXPORT, as in app.js:app.`)
  if (name !== undefined && !/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)) {
    fail(`${quote(name)} in ${quote(spec)} is not the name of an export: write MODULE:EXPORT, as in app.js:app.`)
  }
  return { path, name }
}

function findFile(path: string, cwd: string): string {
  const base = resolve(cwd, path)
  const file = ['', ...EXTENSIONS].map((extension) => base + extension).find(isFile)
  if (file !== undefined) return file
  if (existsSync(base)) fail(`${path} is a folder: name the file in it that exports the app.`)
  fail(`There is no module ${path} in ${cwd}: give the path of a JavaScript or TypeScript file.`)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

async function load(file: string, path: string): Promise<Readonly<Record<string, unknown>>> {
  if (/\.[cm]?ts$/.test(file) && !stripsTypes()) {
    fail(`${path} is TypeScript, which Node ${process.version} cannot load: compile it, or use Node 22.18 or newer.`)
  }
  const stuck = whenNothingIsLeftToDo()
  try {
    return (await Promise.race([import(pathToFileURL(file).href), stuck.promise])) as Readonly<Record<string, unknown>>
  } catch (error) {
    throw new ProxyFixError('ERR_PROXYFIX_APP', `${path} could not be loaded: ${oneLine(error)}${placeOf(error)}.`, {
      cause: error,
    })
  } finally {
    stuck.cancel()
  }
}

/** Node says so from 22.10 on; before, it cannot. */
function stripsTypes(): boolean {
  return Boolean((process.features as { typescript?: false | 'strip' | 'transform' }).typescript)
}

function oneLine(error: unknown): string {
  return String(error).split('\n', 1)[0]!.replace(/\.$/, '')
}

/** Where in the app it was thrown; the stack itself is in the error's `cause`. */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const [, file, line] = /(?<![\w:/.-])(?:file:\/\/)?((?:\/|[A-Za-z]:[\\/])[^\s():]+):(\d+)/.exec(stack) ?? []
  if (file === undefined || file === import.meta.filename) return ''
  return ` (${relative(process.cwd(), file)}:${line})`
}

/** Rejects when the process would end although the module has not been loaded: it waits for what never comes. */
function whenNothingIsLeftToDo(): { promise: Promise<never>; cancel: () => void } {
  let cancel = (): void => undefined
  const promise = new Promise<never>((_, reject) => {
    const onIdle = (): void => reject(new Error('it awaits something that never comes'))
    process.once('beforeExit', onIdle)
    cancel = () => void process.off('beforeExit', onIdle)
  })
  return { promise, cancel }
}

function pickNamed(exports: Readonly<Record<string, unknown>>, name: string, path: string): unknown {
  if (name in exports) return exports[name]
  const names = Object.keys(exports)
  const near = nearest(name, names)
  const hint =
    near !== undefined
      ? `did you mean ${quote(near)}?`
      : names.length > 0
        ? `it exports ${names.map(quote).join(', ')}.`
        : 'it exports nothing.'
  fail(`${path} has no export ${quote(name)}: ${hint}`)
}

function pickUsual(exports: Readonly<Record<string, unknown>>, path: string): [name: string, value: unknown] {
  const present = USUAL_EXPORTS.filter((name) => name in exports)
  const name = present.find((one) => isHandler(exports[one])) ?? present[0]
  if (name !== undefined) return [name, exports[name]]
  if (typeof exports['fetch'] === 'function') return ['fetch', { fetch: exports['fetch'] }]
  const names = Object.keys(exports)
  const hint = names.length === 0 ? '' : ` (it exports ${names.map(quote).join(', ')})`
  fail(`${path} exports no app${hint}: export a handler as default or app, or name one as in ${path}:NAME.`)
}

function quote(text: string): string {
  return `'${text}'`
}

function fail(message: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_APP', message)
}
