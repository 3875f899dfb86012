/** Who sees the page of `--dev`, and what can be made of it from elsewhere: nothing. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { proxyFix, type ProxyFixOptions } from '../../../src/index.ts'
import { fixRequest } from '../../../src/request/fix-request.ts'
import { errorPage } from '../../../src/server/dev/error-page.ts'
import { loadAppOrError } from '../../../src/server/dev/load-app-or-error.ts'
import { refuseInProduction } from '../../../src/server/dev/production.ts'
import { framesOf } from '../../../src/server/dev/stack-frames.ts'
import { mayShowSources } from '../../../src/server/dev/viewer.ts'
import { guarded, type NodeListener } from '../../../src/server/node-listener.ts'
import { close, exchange, listen, parseResponses, type RawResponse, requestText } from '../../fixtures/raw-http.ts'

const SECRET = 'the secret of the machine'

let home: string
let root: string

beforeAll(() => {
  home = mkdtempSync(join(realpathSync(tmpdir()), 'proxyfix-error-page-'))
  root = join(home, 'program')
  mkdirSync(join(root, 'node_modules/package'), { recursive: true })
  mkdirSync(join(root, '.git'))
  writeFileSync(
    join(root, 'app.js'),
    Array.from({ length: 20 }, (_, index) => `const line${index + 1} = '<${index + 1}>'`).join('\n'),
  )
  writeFileSync(join(root, '.env.js'), SECRET)
  writeFileSync(join(root, '.git/config.js'), SECRET)
  writeFileSync(join(root, 'node_modules/package/index.js'), SECRET)
  writeFileSync(join(root, 'data.json'), SECRET)
  writeFileSync(join(home, 'outside.js'), SECRET)
  symlinkSync('../outside.js', join(root, 'link.js'))
})
afterAll(() => rmSync(home, { recursive: true }))

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => undefined))
afterEach(() => void errors.mockReset())

interface Asked {
  readonly httpVersion?: string
  readonly url?: string
  readonly peer?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly proxyFix?: ProxyFixOptions
}

/** A request as Node would hand it over. */
function requestFrom({
  peer,
  httpVersion = '1.1',
  url = '/',
  headers = {},
  proxyFix: options,
}: Asked): IncomingMessage {
  const all: Record<string, string> = { host: 'localhost:8000', ...headers }
  if (all['host'] === '') delete all['host']
  const req = {
    method: 'GET',
    url,
    httpVersion,
    headers: Object.fromEntries(Object.entries(all).map(([name, value]) => [name.toLowerCase(), value])),
    rawHeaders: Object.entries(all).flat(),
    socket: { remoteAddress: peer, remotePort: 4000, localAddress: peer },
  } as unknown as IncomingMessage // all that is read of one
  return options === undefined ? req : fixRequest(req, options)
}

const HERE = { peer: '127.0.0.1' }
const ONE = { xFor: 1, xHost: 1 } satisfies ProxyFixOptions
const cross = { 'sec-fetch-site': 'cross-site' }

describe('sources are shown', () => {
  it.each<{ why: string } & Asked>([
    { why: 'to a browser at this machine', ...HERE },
    { why: 'over IPv6', peer: '::1', headers: { host: '[::1]:8000' } },
    { why: 'over IPv4 on an IPv6 socket', peer: '::ffff:127.0.0.1' },
    { why: 'for 127.0.0.1', ...HERE, headers: { host: '127.0.0.1' } },
    { why: 'for a host in capitals', ...HERE, headers: { host: 'LOCALHOST:8000' } },
    { why: 'over HTTP/2', ...HERE, headers: { host: '', ':authority': 'localhost:8000' } },
    {
      why: 'through a proxy that is trusted, to a client here',
      ...HERE,
      proxyFix: ONE,
      headers: { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'localhost' },
    },
    {
      why: 'through one of HTTP/1.0 that is trusted',
      ...HERE,
      httpVersion: '1.0',
      proxyFix: ONE,
      headers: { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'https' },
    },
    {
      why: 'through one that speaks Forwarded',
      ...HERE,
      proxyFix: { forwarded: 1 },
      headers: { forwarded: 'for="[::1]:5000";host=localhost;proto=https' },
    },
    {
      why: 'to a page of its own',
      ...HERE,
      headers: { origin: 'http://localhost:8000', 'sec-fetch-site': 'same-origin' },
    },
    {
      why: 'to one who follows a link from elsewhere',
      ...HERE,
      headers: { ...cross, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    },
  ])('$why', (asked) => {
    expect(mayShowSources(requestFrom(asked), asked.url ?? '/')).toBe(true)
  })
})

describe('sources are not shown', () => {
  it.each<{ why: string } & Asked>([
    { why: 'to another machine', peer: '203.0.113.7' },
    { why: 'to another machine of this network', peer: '192.168.0.7' },
    { why: 'to a peer that is unknown', peer: undefined },
    {
      why: 'to another machine that says it is this one',
      peer: '203.0.113.7',
      headers: { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '::1' },
    },
    {
      why: 'to another machine that is believed to be this one',
      peer: '203.0.113.7',
      proxyFix: ONE,
      headers: { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'localhost' },
    },
    { why: 'to a name that points here (DNS rebinding)', ...HERE, headers: { host: 'evil.example:8000' } },
    { why: 'to a name that begins like ours', ...HERE, headers: { host: 'localhost.evil.example' } },
    { why: 'to a name below ours', ...HERE, headers: { host: 'evil.localhost' } },
    { why: 'to a name with a user in front', ...HERE, headers: { host: 'localhost@evil.example' } },
    { why: 'to an address with loopback in its name', ...HERE, headers: { host: '127.0.0.1.nip.example' } },
    { why: 'to an address of every interface', ...HERE, headers: { host: '0.0.0.0:8000' } },
    { why: 'to two hosts', ...HERE, headers: { host: 'localhost, evil.example' } },
    { why: 'to two hosts over HTTP/2', ...HERE, headers: { host: 'evil.example', ':authority': 'localhost' } },
    { why: 'without a host', ...HERE, headers: { host: '' } },
    { why: 'through a proxy here that is not trusted', ...HERE, headers: { 'x-forwarded-for': '203.0.113.7' } },
    {
      why: 'through a proxy here that is trusted',
      ...HERE,
      proxyFix: ONE,
      headers: { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-host': 'localhost' },
    },
    {
      why: 'through it, with a forged address in front',
      ...HERE,
      proxyFix: ONE,
      headers: { 'x-forwarded-for': '127.0.0.1, 203.0.113.7' },
    },
    {
      why: 'through two proxies, one of which is not counted',
      ...HERE,
      proxyFix: ONE,
      headers: { 'x-forwarded-for': '203.0.113.7, 127.0.0.1' },
    },
    {
      why: 'through it, for another host',
      ...HERE,
      proxyFix: ONE,
      headers: { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'evil.example' },
    },
    { why: 'for another host that is not believed', ...HERE, headers: { 'x-forwarded-host': 'evil.example' } },
    {
      why: 'where the host is believed and the real one is another',
      ...HERE,
      proxyFix: ONE,
      headers: { host: 'evil.example', 'x-forwarded-host': 'localhost', 'x-forwarded-for': '127.0.0.1' },
    },
    { why: 'through a tunnel', ...HERE, headers: { 'cf-connecting-ip': '203.0.113.7' } },
    { why: 'through a proxy that gives no address', ...HERE, headers: { 'x-forwarded-for': 'unknown' } },
    { why: 'through a proxy that names itself alone', ...HERE, headers: { via: '1.1 proxy' } },
    { why: 'through one that speaks Forwarded', ...HERE, headers: { forwarded: 'for=203.0.113.7' } },
    { why: 'through one that quotes it', ...HERE, headers: { forwarded: 'For="[2001:db8::1]:4711"' } },
    ...['X-Original-For', 'CF-Pseudo-IPv4', 'X_Forwarded_For', 'x.real.ip', 'X-Envoy-External-Address'].map((name) => ({
      why: `through a proxy that says ${name}`,
      ...HERE,
      headers: { [name]: '203.0.113.7' },
    })),
    { why: 'through a proxy that says X-Forwarded', ...HERE, headers: { 'x-forwarded': 'for=203.0.113.7' } },
    { why: 'through a proxy that tells the scheme alone', ...HERE, headers: { 'x-forwarded-proto': 'https' } },
    { why: 'to who says that it is here, and nobody is asked', ...HERE, headers: { 'x-forwarded-for': '127.0.0.1' } },
    {
      why: 'through one that is trusted, and names another client in another header',
      ...HERE,
      proxyFix: ONE,
      headers: { 'x-forwarded-for': '127.0.0.1', X_Original_For: '203.0.113.7' },
    },
    {
      why: 'through one that is trusted in what it did not say',
      ...HERE,
      proxyFix: ONE,
      headers: { 'x-forwarded-host': 'localhost' },
    },
    { why: 'for a whole URL, as proxies are asked', ...HERE, url: 'http://evil.example/' },
    { why: 'over HTTP/1.0, as proxies speak it and no browser', ...HERE, httpVersion: '1.0' },
    { why: 'through several that speak Forwarded', ...HERE, headers: { forwarded: 'for=203.0.113.7, for=127.0.0.1' } },
    { why: 'through one whose words break the grammar', ...HERE, headers: { forwarded: 'for = 203.0.113.7' } },
    { why: 'to a page of another site', ...HERE, headers: { origin: 'http://evil.example' } },
    { why: 'to a page without an origin', ...HERE, headers: { origin: 'null' } },
    {
      why: 'to a script of another site',
      ...HERE,
      headers: { ...cross, 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
    },
    {
      why: 'to a frame in another site',
      ...HERE,
      headers: { ...cross, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
    },
  ])('$why', (asked) => {
    expect(mayShowSources(requestFrom(asked), asked.url ?? '/')).toBe(false)
  })
})

describe('the page', () => {
  async function ask(listener: NodeListener, ...headers: readonly string[]): Promise<RawResponse> {
    const server = createServer(guarded(listener, errorPage({ root })))
    const port = await listen(server)
    const [method = 'GET', ...lines] = headers[0] === 'HEAD' ? headers : ['GET', ...headers]
    const host = lines.some((line) => line.startsWith('Host:')) ? [] : ['Host: localhost']
    const text = await exchange(
      port,
      requestText(`${method} /boom?<i>=1 HTTP/1.1`, ...host, 'Connection: close', ...lines),
    )
    await close(server)
    return parseResponses(text)[0]!
  }

  const HTML = 'Accept: text/html,*/*;q=0.8'

  function thrown(message: string, ...stack: readonly string[]): Error {
    const error = new Error(message)
    error.stack = [`Error: ${message}`, ...stack.map((line) => `    at ${line}`)].join('\n')
    return error
  }

  const failing =
    (error: unknown): NodeListener =>
    () => {
      throw error
    }

  it('is shown to nobody who asks for a whole URL, as proxies are asked, whatever is shown to the app', async () => {
    const asked = requestText('GET http://evil.example/ HTTP/1.1', 'Host: localhost', 'Connection: close', HTML)
    for (const app of [failing(new Error('boom')), proxyFix(failing(new Error('boom')), { xFor: 1 })]) {
      const server = createServer(guarded(app, errorPage({ root })))
      const [answer] = parseResponses(await exchange(await listen(server), asked))
      await close(server)
      expect(answer).toMatchObject({ status: 500, body: 'Internal server error.\n' })
    }
  })

  it('shows what was thrown, and the lines around', async () => {
    const cause = thrown('connection refused', `connect (${join(root, 'app.js')}:2:1)`)
    const error = thrown(
      'no <database>',
      `query (${pathToFileURL(join(root, 'app.js')).href}:10:5)`,
      'node:internal/x:1:1',
    )
    error.cause = cause
    const { status, headers, body } = await ask(failing(error), HTML)
    expect(status).toBe(500)
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining("default-src 'none'") as string,
    })
    expect(body).toContain('no &lt;database&gt;')
    expect(body).toContain('app.js:10 in query')
    expect(body).toContain('<mark>   10  const line10 = &#39;&lt;10&gt;&#39;</mark>')
    expect(body).toContain('   15  const line15')
    expect(body).not.toContain('const line16')
    expect(body).toContain('caused by')
    expect(body).toContain('app.js:2 in connect')
    expect(body).toContain('/boom?&lt;i&gt;=1')
    expect(body).not.toMatch(/<script|<i>|<database>/)
  })

  it('is text for who wants no HTML', async () => {
    const { status, headers, body } = await ask(
      failing(thrown('no database', 'x (/a.js:1:1)')),
      'Accept: application/json',
    )
    expect([status, headers['content-type']]).toEqual([500, 'text/plain; charset=utf-8'])
    expect(body).toBe('Error: no database\n    at x (/a.js:1:1)\n')
  })

  it('has a head alone', async () => {
    const { status, headers, body } = await ask(failing(thrown('no database')), 'HEAD', HTML)
    expect([status, headers['content-type'], body]).toEqual([500, 'text/html; charset=utf-8', ''])
  })

  it.each(['text', null, undefined, 7, Object.create(null) as unknown, { toString: 'none' }])(
    'is made of whatever was thrown: %o',
    async (value) => {
      const { status, body } = await ask(failing(value), HTML)
      expect(status).toBe(500)
      expect(body).toContain('Thrown')
    },
  )

  it('is none where what was thrown throws itself', async () => {
    const trap = Object.defineProperty(thrown('x'), 'message', {
      get() {
        throw new Error('trap')
      },
    })
    expect(await ask(failing(trap), HTML)).toMatchObject({ status: 500, body: 'Internal server error.\n' })
  })

  it('ends where causes go in a circle', async () => {
    const error = thrown('first')
    error.cause = Object.assign(thrown('second'), { cause: error })
    expect((await ask(failing(error), HTML)).body.match(/<section>/g)).toHaveLength(2)
  })

  it('takes back what the app had allowed for its own answer', async () => {
    const listener: NodeListener = (_req, res: ServerResponse) => {
      res.setHeader('Access-Control-Allow-Origin', '*')
      res.setHeader('Content-Encoding', 'gzip')
      res.setHeader('Content-Security-Policy', 'script-src *')
      throw thrown('no database')
    }
    const { headers } = await ask(listener, HTML)
    expect(headers).not.toHaveProperty('access-control-allow-origin')
    expect(headers).not.toHaveProperty('content-encoding')
    expect(headers['content-security-policy']).not.toContain('script-src')
  })

  it.each([
    { why: 'a name that points here', lines: ['Host: evil.example'] },
    { why: 'a proxy for somebody else', lines: ['X-Forwarded-For: 203.0.113.7'] },
    { why: 'a page of another site', lines: ['Origin: http://evil.example'] },
  ])('tells nothing to $why', async ({ lines }) => {
    const error = thrown('no database', `query (${join(root, 'app.js')}:10:5)`)
    expect(await ask(failing(error), HTML, ...lines)).toMatchObject({ status: 500, body: 'Internal server error.\n' })
  })

  it('tells nothing to a client elsewhere behind a proxy here that is trusted', async () => {
    const listener = proxyFix((_req: IncomingMessage, _res: ServerResponse) => {
      throw thrown('no database')
    }, ONE)
    expect(await ask(listener, HTML, 'X-Forwarded-For: 203.0.113.7')).toMatchObject({
      body: 'Internal server error.\n',
    })
    expect((await ask(listener, HTML, 'X-Forwarded-For: 127.0.0.1')).body).toContain('no database')
  })

  it('leaves an answer alone that has begun', async () => {
    const { status, body } = await ask(async (_req, res) => {
      res.writeHead(200, { 'Content-Length': 10 })
      await new Promise((resolve) => res.write('half', resolve))
      throw thrown('no database')
    }, HTML)
    expect([status, body]).toEqual([200, 'half'])
  })

  it('shows why an app cannot be loaded, with the place in it', async () => {
    writeFileSync(join(root, 'broken.mjs'), 'const url = undefined\n\nthrow new Error("no <url>")\n')
    const app = await loadAppOrError('broken.mjs', { cwd: root })
    const { body } = await ask(app as NodeListener, HTML)
    expect(body).toContain('broken.mjs could not be loaded: Error: no &lt;url&gt;')
    expect(body).toContain('<mark>    3  throw new Error(&quot;no &lt;url&gt;&quot;)</mark>')
    expect(errors).toHaveBeenCalledWith(expect.stringContaining('proxyfix: broken.mjs could not be loaded'))
  })

  it('shows that there is no app', async () => {
    const app = await loadAppOrError('gone.mjs', { cwd: root })
    expect((await ask(app as NodeListener, HTML)).body).toContain('There is no module &#39;gone.mjs&#39;')
  })
})

describe('a stack', () => {
  function filesOf(stack: string, message = 'oops'): readonly string[] {
    const error = new Error(message)
    error.stack = stack
    return framesOf(error, root).map(({ file, line }) => `${file}:${line}`)
  }

  it.each([
    { line: 'at ROOT/app.js:3:1', is: ['app.js:3'] },
    { line: 'at async ROOT/app.js:3:1', is: ['app.js:3'] },
    { line: 'at async Shop.open (file://ROOT/app.js:3:1)', is: ['app.js:3'] },
    { line: 'at new Shop (ROOT/app.js:3:1)', is: ['app.js:3'] },
    { line: 'at ROOT/app.js:99:1', is: [] },
    { line: 'at ROOT/app.js:0:1', is: [] },
    { line: 'at ROOT/gone.js:1:1', is: [] },
    { line: 'at ROOT/.env.js:1:1', is: [] },
    { line: 'at ROOT/.git/config.js:1:1', is: [] },
    { line: 'at ROOT/node_modules/package/index.js:1:1', is: [] },
    { line: 'at ROOT/data.json:1:1', is: [] },
    { line: 'at ROOT/../outside.js:1:1', is: [] },
    { line: 'at ROOT/link.js:1:1', is: [] },
    { line: 'at /etc/passwd:1:1', is: [] },
    { line: 'at file://evil.example/app.js:1:1', is: [] },
    { line: 'at node:fs:1:1', is: [] },
    { line: 'at app.js:1:1', is: [] },
    { line: 'at native', is: [] },
  ])('with $line shows $is', ({ line, is }) => {
    expect(filesOf(`Error: oops\n    ${line.replace('ROOT', root)}`)).toEqual(is)
  })

  it('shows no file that only the message names', () => {
    const forged = `bad id\n    at x (${join(root, 'app.js')}:1:1)`
    expect(filesOf(`Error: ${forged}\n    at y (${join(root, 'app.js')}:7:1)`, forged)).toEqual(['app.js:7'])
  })

  it('begins with the place of a syntax error', () => {
    expect(
      filesOf(`${join(root, 'app.js')}:4\nconst = 1\n      ^\n\nSyntaxError: oops\n    at wrapSafe (node:x:1:1)`),
    ).toEqual(['app.js:4'])
  })

  it.each([undefined, 7, ''])('may be %o', (stack) => {
    expect(filesOf(stack as string)).toEqual([])
  })
})

describe('production', () => {
  it.each(['production', 'PRODUCTION', ' production '])('is where NODE_ENV is %j, and refused', (value) => {
    expect(() => refuseInProduction({ NODE_ENV: value })).toThrow(
      expect.objectContaining({
        code: 'ERR_PROXYFIX_OPTION',
        message: 'The option dev is for development, and NODE_ENV is production here: leave out the one or the other.',
      }),
    )
  })

  it.each([{}, { NODE_ENV: '' }, { NODE_ENV: 'development' }, { NODE_ENV: 'test' }])(
    'is not where it is %o',
    (environment) => {
      expect(() => refuseInProduction(environment)).not.toThrow()
    },
  )
})
