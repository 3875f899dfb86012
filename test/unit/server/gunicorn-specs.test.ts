/**
 * Every app and every address that gunicorn takes or refuses (its util.import_app and its -b), in the words of JavaScript:
 * each either works here, too, or is refused by a sentence. What gunicorn does stands beside it.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bind, parseBind } from '../../../src/server/bind.ts'
import { loadApp } from '../../../src/server/load-app.ts'

let cwd: string

/** The module is app.js; a folder of modules is one in Python when it has an __init__. */
const APP = `
  const made = (...args) => Object.assign(function made() {}, { args })
  export function app() {}
  export function application() {}
  export const create_app = (...args) => {
    if (args[0] === 'boom') throw new TypeError('inside')
    return made(...args)
  }
  export function make_app(name, options) { return made(name, options) }
  export const create = create_app
  export const none = null
  export const number = 7
  export const no_app = () => undefined
`

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'proxyfix-gunicorn-'))
  mkdirSync(join(cwd, 'srv'))
  mkdirSync(join(cwd, 'pkg'))
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }')
  for (const file of ['app.js', 'srv/app.js', 'pkg/index.js']) writeFileSync(join(cwd, file), APP)
})
afterAll(() => rmSync(cwd, { recursive: true }))

interface Served {
  readonly spec: string
  readonly gunicorn: string
  readonly is: string
  readonly args?: readonly unknown[]
}

interface Refused<T = string> {
  readonly spec: T
  readonly gunicorn: string
  readonly says: string
}

const SERVED: readonly Served[] = [
  { spec: 'app', gunicorn: 'the attribute application', is: 'app' },
  { spec: 'app:app', gunicorn: 'ok', is: 'app' },
  { spec: 'app:create_app()', gunicorn: 'ok', is: 'made', args: [] },
  { spec: 'app:create_app("x",{n:2})', gunicorn: 'ok, as ("x",n=2)', is: 'made', args: ['x', { n: 2 }] },
  { spec: 'app:create_app({n:-1})', gunicorn: 'ok, as (n=-1)', is: 'made', args: [{ n: -1 }] },
  { spec: `app:create_app({'a':1})`, gunicorn: 'ok', is: 'made', args: [{ a: 1 }] },
  { spec: 'app:create_app', gunicorn: 'the factory becomes the app, and fails', is: 'made', args: [] },
  { spec: 'app:create', gunicorn: 'the factory becomes the app, and fails', is: 'create_app' }, // no usual name: a handler
  { spec: 'app:create_app(1,2,3)', gunicorn: 'TypeError', is: 'made', args: [1, 2, 3] }, // JavaScript takes more than it names
  { spec: 'app.js', gunicorn: 'did you mean app:application?', is: 'app' },
  { spec: 'app.js:app', gunicorn: 'did you mean app:application?', is: 'app' },
  { spec: 'srv/app:app', gunicorn: 'No module named srv/app', is: 'app' },
  { spec: 'srv.app:app', gunicorn: 'ok', is: 'app' },
  { spec: 'pkg:app', gunicorn: 'ok', is: 'app' },
  { spec: 'app.app', gunicorn: 'No module named app.app', is: 'app' },
]

const REFUSED: readonly Refused[] = [
  { spec: 'app:create_app("x",n=2)', gunicorn: 'ok', says: 'give an object, as in { n: … }' },
  { spec: 'app:create_app(n=-1)', gunicorn: 'ok', says: 'give an object, as in { n: … }' },
  {
    spec: 'app:make_app',
    gunicorn: 'the factory becomes the app',
    says: "The factory 'make_app' of app wants 2 arguments",
  },
  { spec: 'app.py', gunicorn: 'did you mean app:application?', says: 'did you mean app.js?' },
  { spec: 'app.py:app', gunicorn: 'did you mean app:application?', says: 'did you mean app.js?' },
  { spec: 'nomod:app', gunicorn: 'No module named nomod', says: "There is no module 'nomod'" },
  { spec: ':app', gunicorn: 'Empty module name', says: "':app' names no module" },
  { spec: '', gunicorn: 'Empty module name', says: "'' names no module" },
  { spec: 'app:nope', gunicorn: 'Failed to find attribute', says: "app has no export 'nope'" },
  { spec: 'app:', gunicorn: 'Failed to parse', says: 'not the name of an export' },
  { spec: 'app:app.x', gunicorn: 'Failed to parse', says: "'app' of app has no member 'x'" },
  { spec: 'app:create_app(', gunicorn: 'Failed to parse', says: 'is not closed' },
  { spec: 'app:[1]', gunicorn: 'Failed to parse', says: 'not the name of an export' },
  { spec: 'app:"x"', gunicorn: 'Failed to parse', says: 'not the name of an export' },
  { spec: 'app:app:app', gunicorn: 'Failed to parse', says: 'not the name of an export' },
  { spec: 'app: app ', gunicorn: 'Failed to parse', says: 'not the name of an export' },
  { spec: 'app:create_app.x()', gunicorn: 'must be a simple name', says: "'create_app' of app has no member 'x'" },
  { spec: 'app:create_app()()', gunicorn: 'must be a simple name', says: "'app:create_app()()' stands '()'" },
  { spec: 'app:create_app(foo)', gunicorn: 'Failed to parse arguments', says: "'foo' is a name" },
  { spec: 'app:create_app(*[1])', gunicorn: 'Failed to parse arguments', says: 'it spreads a value' },
  { spec: 'app:create_app("boom")', gunicorn: 'that TypeError', says: "'create_app' of app failed: TypeError: inside" },
  {
    spec: 'app:none',
    gunicorn: 'Failed to find application object',
    says: "'none' of app cannot be served: it is null",
  },
  { spec: 'app:no_app()', gunicorn: 'Failed to find application object', says: "'no_app' of app returned nothing" },
  { spec: 'app:number', gunicorn: 'must be callable', says: "'number' of app cannot be served: it is a number" },
  { spec: 'app:number()', gunicorn: 'must be callable', says: "'number' of app cannot be called: it is a number" },
]

describe("gunicorn's apps", () => {
  it.each(SERVED)('$spec is served (gunicorn: $gunicorn)', async ({ spec, is, args }) => {
    const app = await loadApp(spec, { cwd })
    expect(app).toHaveProperty('name', is)
    if (args !== undefined) expect(app).toHaveProperty('args', args)
  })

  it.each(REFUSED)('$spec is refused: $says (gunicorn: $gunicorn)', async ({ spec, says }) => {
    const refusal: unknown = await loadApp(spec, { cwd }).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'ERR_PROXYFIX_APP' })
    expect((refusal as Error).message).toMatch(/^[^\n]*[.?]$/)
    expect((refusal as Error).message).toContain(says)
  })
})

interface Listened {
  readonly spec: string
  readonly gunicorn: string
  readonly is: Bind
}

const LISTENED: readonly Listened[] = [
  { spec: '127.0.0.1:8000', gunicorn: 'ok', is: { host: '127.0.0.1', port: 8000 } },
  { spec: 'LocalHost:8000', gunicorn: 'in lower case', is: { host: 'localhost', port: 8000 } },
  { spec: ':8000', gunicorn: '0.0.0.0', is: { port: 8000 } },
  { spec: '[::1]:8000', gunicorn: 'ok', is: { host: '::1', port: 8000 } },
  { spec: 'unix:run/app.sock', gunicorn: 'ok', is: { path: 'run/app.sock' } },
  { spec: 'unix:/tmp/x', gunicorn: 'ok', is: { path: '/tmp/x' } },
  { spec: '8000', gunicorn: 'a host of that name', is: { port: 8000 } },
]

const NOT_LISTENED: readonly Refused[] = [
  { spec: '', gunicorn: '0.0.0.0:8000', says: 'empty' },
  { spec: '127.0.0.1', gunicorn: 'port 8000', says: 'does not end in a port' },
  { spec: 'localhost', gunicorn: 'port 8000', says: 'does not end in a port' },
  { spec: '[::1]', gunicorn: 'port 8000', says: 'does not end in a port' },
  { spec: 'unix:///tmp/x', gunicorn: '/tmp/x', says: 'write unix:/tmp/x' },
  { spec: 'unix://x', gunicorn: 'x', says: 'write unix:x' },
  { spec: 'fd://3', gunicorn: 'ok', says: 'write fd:3' },
  { spec: 'fd://x', gunicorn: 'not a valid file descriptor', says: 'write fd:x' },
  { spec: 'fd:x', gunicorn: 'not a valid file descriptor', says: "'x' is no file descriptor" },
  { spec: 'tcp://127.0.0.1:8000', gunicorn: 'ok', says: 'write 127.0.0.1:8000' },
  { spec: 'localhost:', gunicorn: 'not a valid port number', says: 'port' },
  { spec: '::1', gunicorn: 'not a valid port number', says: 'brackets' },
  { spec: 'h:1:2', gunicorn: 'the port 1', says: 'more than one port' },
  { spec: '127.0.0.1:65536', gunicorn: 'taken', says: '65535' },
]

describe("gunicorn's addresses", () => {
  it.each(LISTENED)('$spec is taken (gunicorn: $gunicorn)', ({ spec, is }) => {
    expect(parseBind(spec)).toStrictEqual(is)
  })

  it.each(NOT_LISTENED)('$spec is refused: $says (gunicorn: $gunicorn)', ({ spec, says }) => {
    expect(() => parseBind(spec)).toThrow(/^Cannot listen on '[^\n]*\.$/)
    expect(() => parseBind(spec)).toThrow(says)
  })
})
