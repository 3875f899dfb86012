/** Which handler a spec names, and what is said of a spec that names none. More of it, as a person sees it, is in test/integration/cli.test.ts. */

import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { isHandler } from '../../../src/middleware/handler.ts'
import { appStack } from '../../../src/server/app-stack.ts'
import { loadApp, type LoadedApp } from '../../../src/server/load-app.ts'
import { nodeListener } from '../../../src/server/node-listener.ts'
import { ProxyFixError } from '../../../src/trust/error.ts'
import { root } from '../../integration/paths.ts'

const MODULES = {
  'package.json': `{ "name": "own", "type": "module",
    "exports": { "./app": "./app.mjs" }, "imports": { "#app": "./app.mjs", "#gone": "./gone.js" } }`,
  'node_modules/@acme/site/package.json': `{ "name": "@acme/site", "type": "module",
    "exports": { ".": { "import": "./main.js" }, "./server": "./server.js", "./gone": "./gone.js" } }`,
  'node_modules/@acme/site/main.js': 'export function app() {}',
  'node_modules/@acme/site/server.js': 'export default function server() {}',
  'node_modules/plain/package.json': '{ "name": "plain", "main": "lib/app.js" }',
  'node_modules/plain/lib/app.js': 'exports.app = function plain() {}\nexports.admin = function admin() {}',
  'node_modules/plain/server.js': 'exports.app = function server() {}',
  'node_modules/dotted.name/package.json': '{ "name": "dotted.name", "exports": "./app.mjs" }',
  'node_modules/dotted.name/app.mjs': 'export function app() {}',
  'node_modules/unbuilt/package.json': '{ "name": "unbuilt", "main": "dist/app.js" }',
  'node_modules/needs/package.json': '{ "name": "needs", "exports": "./app.mjs" }',
  'node_modules/needs/app.mjs': 'import "not-installed"',
  'node_modules/shop/package.json': '{ "name": "shop", "exports": "./app.mjs" }',
  'node_modules/shop/app.mjs': 'export function not_this() {}',
  'default.mjs': 'export default function byDefault() {}\nexport function app() {}',
  'app.mjs': 'export function app() {}\nexport function admin() {}\nexport const settings = { port: 80 }',
  'fetch.mjs': 'export function fetch() {}',
  'second.mjs': 'export default { port: 80 }\nexport function handler() {}',
  'application.js': 'export function application() {}',
  'common.cjs': 'module.exports = function common() {}',
  'common-named.cjs': 'exports.app = function named() {}',
  'compiled.cjs': 'exports.__esModule = true\nexports.default = function compiled() {}',
  'compiled-named.cjs':
    'Object.defineProperty(exports, "__esModule", { value: true })\nexports.app = function named() {}',
  'red.mjs': 'const x = 1\nexport { x as "\\u001b[31mred" }',
  'getters.mjs': `export const apps = { get bad() { throw new Error('bad apps') } }
    export default { get fetch() { throw new Error('no fetch') } }`,
  'class.mjs': 'export default class App { handle() {} }',
  'nested.js': 'export const apps = { admin: function admin() {}, port: 80 }',
  'project/app.js': 'export function app() {}',
  'shop/index.js': 'export function app() {}\nexport const apps = { admin: function admin() {} }',
  'shop/index.mjs': 'export function not_this() {}',
  'shop.js/readme.txt': 'a folder',
  'site.mjs': 'export function app() {}\nexport function web() {}',
  'site/web.js': 'export function app() {}',
  'folder/readme.txt': 'no index',
  'nothing.mjs': '',
  'number.mjs': 'export default 7',
  'promise.mjs': 'export default Promise.resolve(() => {})',
  'throws.mjs': '\n\nthrow new Error("no database.")',
  'throws-null.mjs': 'throw null',
  'throws-bare.mjs': 'throw Object.create(null)',
  'listens.mjs': 'import { createServer } from "node:http"\nexport default createServer().listen(0).unref()',

  'factory.mjs': 'export function createApp() { return function made() {} }\nexport const other = 1',
  'factory-async.mjs': 'export const create_app = async () => function made() {}',
  'factory-default.mjs': 'export default function makeApp() { return { fetch: function made() {} } }',
  'factory-wants.mjs': 'export function make_app(name, port) {}',
  'factories.mjs': `
    export const configured = (...args) => Object.assign(function made() {}, { args })
    export const later = async (name) => Object.assign(function made() {}, { args: [name] })
    export const apps = { name: 'shop', make() { return Object.assign(function made() {}, { args: [this.name] }) } }
    export const nothing = () => {}
    export const nil = async () => null
    export const number = () => 7
    export const settings = { port: 80 }
    export function throws() { throw new Error('no database.', { cause: new Error('connection refused') }) }
    export const rejects = async () => { throw new TypeError('no cache') }
    export const createApp = (name) => configured(name)
  `,
}

let cwd: string

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'proxyfix-load-app-'))
  for (const [file, content] of Object.entries(MODULES)) {
    mkdirSync(dirname(join(cwd, file)), { recursive: true })
    writeFileSync(join(cwd, file), content)
  }
})
afterAll(() => rmSync(cwd, { recursive: true }))

async function failure(spec: string): Promise<ProxyFixError> {
  const error: unknown = await loadApp(spec, { cwd }).then(
    (app) => new Error(`it was loaded: ${String(app)}`),
    (reason: unknown) => reason,
  )
  if (error instanceof ProxyFixError) return error
  throw error
}

describe('loadApp', () => {
  it.each([
    { spec: 'default.mjs', name: 'byDefault' },
    { spec: './default', name: 'byDefault' },
    { spec: 'default.mjs:app', name: 'app' },
    { spec: 'default.mjs:default', name: 'byDefault' },
    { spec: 'app.mjs', name: 'app' },
    { spec: 'app.mjs:admin', name: 'admin' },
    { spec: 'second.mjs', name: 'handler' },
    { spec: 'application', name: 'application' },
    { spec: 'common.cjs', name: 'common' },
    { spec: 'common-named.cjs', name: 'named' },
    { spec: 'common-named.cjs:app', name: 'named' },
    { spec: 'compiled.cjs', name: 'compiled' },
    { spec: 'compiled.cjs:default', name: 'compiled' },
    { spec: 'compiled-named.cjs', name: 'named' },
    { spec: 'nested.js:apps.admin', name: 'admin' },
    { spec: 'project/app', name: 'app' },
    { spec: 'project.app', name: 'app' },
    { spec: 'project.app:app', name: 'app' },
    { spec: 'project.app.app', name: 'app' },
    { spec: 'shop', name: 'app' }, // a folder's index, and not the package of that name
    { spec: './shop/', name: 'app' },
    { spec: 'shop.app', name: 'app' },
    { spec: 'shop.apps.admin', name: 'admin' },
    { spec: 'nested.apps.admin', name: 'admin' },
    { spec: 'site.web', name: 'app' }, // the module, and not the export of another one
    { spec: 'site.app', name: 'app' },
    { spec: '@acme/site', name: 'app' },
    { spec: '@acme/site:app', name: 'app' },
    { spec: '@acme/site/server', name: 'server' },
    { spec: 'plain', name: 'plain' },
    { spec: 'plain:admin', name: 'admin' },
    { spec: 'plain.admin', name: 'admin' },
    { spec: 'plain/server.js', name: 'server' },
    { spec: 'dotted.name:app', name: 'app' },
    { spec: 'dotted.name.app', name: 'app' },
    { spec: 'own/app:admin', name: 'admin' },
    { spec: '#app:admin', name: 'admin' },
    { spec: 'factory.mjs', name: 'made' },
    { spec: 'factory.mjs:createApp', name: 'made' },
    { spec: 'factory.mjs:createApp()', name: 'made' },
    { spec: 'factory-async.mjs', name: 'made' },
    { spec: 'factories.mjs:configured', name: 'configured' },
  ])('finds $name in $spec', async ({ spec, name }) => {
    expect(await loadApp(spec, { cwd })).toHaveProperty('name', name)
  })

  it('finds a package whatever NODE_OPTIONS preload', async () => {
    vi.stubEnv('NODE_OPTIONS', '--inspect-brk=0 --import=data:text/javascript,console.log(%22hello%22)')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await loadApp('@acme/site', { cwd })).toHaveProperty('name', 'app')
  })

  it('takes a file URL', async () => {
    expect(await loadApp(`${pathToFileURL(join(cwd, 'app.mjs')).href}:admin`)).toHaveProperty('name', 'admin')
  })

  it('makes an app of a module that exports fetch', async () => {
    expect(await loadApp('fetch.mjs', { cwd })).toStrictEqual({ fetch: expect.any(Function) as unknown })
  })

  it('calls a default export that was declared as a factory', async () => {
    expect(await loadApp('factory-default.mjs', { cwd })).toHaveProperty('fetch.name', 'made')
  })

  it.each([
    { call: 'configured()', args: [] },
    { call: `configured('shop', { pool: 4, hosts: ['a:80', "b"] }, -1, true, null)`, args: ['shop', { pool: 4, hosts: ['a:80', 'b'] }, -1, true, null] }, // prettier-ignore
    { call: `configured(') and (')`, args: [') and ('] },
    { call: "later('shop')", args: ['shop'] },
    { call: 'apps.make()', args: ['shop'] },
    { call: "createApp('shop')", args: ['shop'] },
  ])('calls $call', async ({ call, args }) => {
    expect(await loadApp(`factories.mjs:${call}`, { cwd })).toHaveProperty('args', args)
  })

  it.each([
    { spec: '', says: 'names no module' },
    { spec: ':app', says: 'names no module' },
    { spec: 'app.mjs:', says: 'not the name of an export' },
    { spec: 'app.mjs:a b', says: 'not the name of an export' },
    { spec: 'app.mjs:()', says: 'not the name of an export' },
    { spec: 'app.mjs:amdin', says: "did you mean 'admin'?" },
    { spec: 'app.mjs:zzzzzzzzz', says: ": it exports '" },
    { spec: 'app.mjs:settings', says: "'settings' of app.mjs cannot be served" },
    { spec: 'app.mjs:settings.prot', says: "'settings' of app.mjs has no member 'prot': did you mean 'port'?" },
    { spec: 'app.mjs:settings.port.zzz', says: "'settings.port' of app.mjs has no member 'zzz': it has no members" },
    { spec: 'gone.mjs', says: "There is no module 'gone.mjs'" },
    { spec: 'defualt.mjs', says: "There is no module 'defualt.mjs'" },
    { spec: 'defualt.mjs', says: 'did you mean default.mjs?' },
    { spec: 'project/ap.js', says: 'did you mean project/app.js?' },
    { spec: 'no/such/folder.js', says: 'give the path' },
    { spec: 'https://a.example/app.js', says: 'is a URL' },
    { spec: 'folder', says: 'folder is a folder without an index: name the file in it' },
    { spec: '.', says: 'is a folder' },
    { spec: 'shop.ap', says: "shop has no export 'ap': did you mean 'app'?" },
    { spec: 'shop.app:app', says: "There is no module 'shop.app'" },
    { spec: 'project.ap:app', says: 'did you mean project/app.js?' },
    { spec: 'application.py', says: 'did you mean application.js?' },
    { spec: 'plian.admin', says: "There is no module 'plian.admin'" },
    { spec: '@acme/site:nope', says: "@acme/site has no export 'nope'" },
    { spec: '@acme/site/servr', says: 'The package @acme/site does not export @acme/site/servr: did you mean @acme/site/server?' }, // prettier-ignore
    { spec: '@acme/site/zzzzzzzzzzzzzzzzzzzzzzzz', says: ': it has @acme/site, @acme/site/server, @acme/site/gone.' },
    { spec: '@acme/site/gone', says: `${join('node_modules', '@acme', 'site', 'gone.js')}, which is not there: is the package built?` }, // prettier-ignore
    { spec: 'plain/servr.js', says: `did you mean ${join('node_modules', 'plain', 'server.js')}?` },
    { spec: '@acme/gone', says: /There is no module '@acme\/gone' in .*, and no such package: give the path/ },
    { spec: './gone.js', says: /There is no module '\.\/gone\.js' in [^,]*: give the path/ },
    { spec: 'unbuilt', says: 'is the package built?' },
    { spec: 'own/ap', says: 'did you mean own/app?' },
    { spec: '#ap', says: 'package.json: did you mean #app?' },
    { spec: '#gone', says: '#gone would be gone.js, which is not there' },
    { spec: 'needs:app', says: "Cannot find package 'not-installed'" },
    { spec: 'http', says: "There is no module 'http'" },
    { spec: ' app', says: "There is no module ' app'" },
    { spec: 'file://host/x.js', says: "'file://host/x.js' cannot be looked for: File URL host" },
    { spec: 'file:///%zz', says: "'file:///%zz' cannot be looked for: URI malformed" },
    { spec: 'a'.repeat(5000), says: 'cannot be looked for: ENAMETOOLONG' },
    { spec: '\u001b[31mgone.mjs', says: String.raw`There is no module '\u001b[31mgone.mjs'` },
    { spec: '\u202egone.mjs:app', says: String.raw`'\u202egone.mjs'` },
    { spec: 'red.mjs:nope', says: String.raw`it exports '\u001b[31mred'` },
    { spec: 'getters.mjs:apps.bad', says: 'What getters.mjs exports could not be read: Error: bad apps' },
    { spec: 'getters.mjs', says: 'What getters.mjs exports could not be read: Error: no fetch' },
    { spec: 'nothing.mjs', says: 'exports no app' },
    { spec: 'nothing.mjs:app', says: 'it exports nothing' },
    { spec: 'number.mjs', says: 'a number' },
    { spec: 'promise.mjs', says: 'await it first' },
    { spec: 'class.mjs', says: 'it is a class; export an instance of it' },
    { spec: 'throws.mjs', says: 'no database' },
    { spec: 'throws.mjs', says: 'throws.mjs:3).' },
    { spec: 'throws-null.mjs', says: 'null' },
    { spec: 'throws-bare.mjs', says: '[Object: null prototype] {}' },
    { spec: 'listens.mjs', says: 'a server that listens already' },
    { spec: 'factory-wants.mjs', says: 'wants 2 arguments' },
    {
      spec: 'factory-wants.mjs',
      says: "factory-wants.mjs:make_app('text', 7), or factory-wants.mjs:make_app() to give none.",
    },
    { spec: 'factories.mjs:createApp', says: 'wants an argument' },
    { spec: 'factories.mjs:nothing()', says: "The factory 'nothing' of factories.mjs returned nothing" },
    { spec: 'factories.mjs:nil()', says: 'returned null' },
    { spec: 'factories.mjs:number()', says: "'number()' of factories.mjs cannot be served: it is a number" },
    { spec: 'factories.mjs:settings()', says: "'settings' of factories.mjs cannot be called: it is an object" },
    { spec: 'factories.mjs:throws()', says: "The factory 'throws' of factories.mjs failed: Error: no database" },
    { spec: 'factories.mjs:throws()', says: 'factories.mjs:9).' },
    { spec: 'factories.mjs:rejects()', says: 'TypeError: no cache' },
  ])('says what is wrong with $spec: $says', async ({ spec, says }) => {
    const { code, message } = await failure(spec)
    expect(code).toBe('ERR_PROXYFIX_APP')
    expect(message).toMatch(/^[^\n]*[.?]$/)
    expect(message).toMatch(says)
  })

  it('shows what the app threw with the lines of its own stack', async () => {
    const { cause } = await failure('factories.mjs:throws()')
    const stack = appStack(cause)
    expect(stack).toMatch(/^Error: no database\.\n {4}at throws \(.*factories\.mjs:9:\d+\)/)
    expect(stack).toContain('[cause]: Error: connection refused')
    expect(stack).not.toMatch(/node:|src\/server/)
  })
})

describe('an app of a framework', () => {
  const path = 'test/fixtures/apps/frameworks.js'

  async function answer(app: LoadedApp): Promise<string> {
    const server = app instanceof Server ? app : createServer(nodeListener(app))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo // as it does not listen on a pipe
    try {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })
      return await response.text()
    } finally {
      server.close()
    }
  }

  it.each(['connect', 'express', 'fastify', 'h3', 'hono', 'koa', 'polka', 'server'])('%s is served', async (name) => {
    expect(await answer(await loadApp(`${path}:apps.${name}`, { cwd: root }))).toBe('served')
  })

  it('Nest is served', async () => {
    expect(await answer(await loadApp(`${path}:createNest()`, { cwd: root }))).toBe('served')
  })

  it('GraphQL Yoga is a handler as it is', async () => {
    expect(isHandler(await loadApp(`${path}:apps.yoga`, { cwd: root }))).toBe(true)
  })

  it('h3 version 1 is refused with what to export instead', async () => {
    await expect(loadApp(`${path}:apps.h3v1`, { cwd: root })).rejects.toThrow('export toNodeListener(app)')
  })
})
