/** `node --import proxyfix/auto`: is every server of a program fixed, however it came by it, and is a mistake told? */

import { once } from 'node:events'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, type Program, run, start } from '../fixtures/auto/start.ts'
import { exchange, requestText } from '../fixtures/raw-http.ts'
import { selfSignedCertificate } from './certificate.ts'
import { root } from './paths.ts'
import { ask, type HeaderLine } from './wire.ts'

const AUTO = ['--import', 'proxyfix/auto']
const SETTINGS = {
  PROXYFIX_X_FOR: '1',
  PROXYFIX_X_PROTO: '1',
  PROXYFIX_X_HOST: '1',
  PROXYFIX_X_PREFIX: '1',
  PROXYFIX_TRUSTED_PROXIES: 'loopback',
}

/** A request of a liar, as one proxy passes it on that appends to each header. */
const FORGED: readonly HeaderLine[] = [
  ['X-Forwarded-For', '6.6.6.6, 203.0.113.7'],
  ['X-Forwarded-Proto', 'http, https'],
  ['X-Forwarded-Host', 'evil.example, shop.example'],
  ['X-Forwarded-Prefix', '/evil, /app'],
]
const FORGED_LINES = FORGED.map(([name, value]) => `${name}: ${value}`)

const CLIENT = { ip: '203.0.113.7', secure: true, host: 'shop.example', url: '/app/cart' }
const CLIENT_TEXT = '{"ip":"203.0.113.7","secure":true,"host":"shop.example","url":"/app/cart"}'

const { certificate, key } = selfSignedCertificate('internal.example')
let program: Program
beforeAll(async () => {
  const variables = {
    ...SETTINGS,
    PROXYFIX_ALLOWED_HOSTS: 'shop.example',
    TEST_KEY: key,
    TEST_CERTIFICATE: certificate,
  }
  program = await start([...AUTO, fixture('servers.js')], variables)
})
afterAll(() => program.stop())

describe('the servers of a program', () => {
  const askFor = async (name: string, scheme = 'http'): Promise<unknown> => {
    const to = `${scheme}://127.0.0.1:${program.ports[name]}`
    const { body } = await ask({ to, target: '/cart', host: 'internal.example', headers: FORGED, certificate })
    return JSON.parse(body)
  }

  it.each([
    ['imported by name'],
    ['required'],
    ['made without new'],
    ['of a subclass past Node'],
    ['with an emit of its own'],
    ['with an emit of its own since it listens'],
    ['given connections'],
    ['given requests'],
    ['upgrading'],
  ])('http, %s: the client shows', async (name) => {
    expect(await askFor(name)).toEqual(CLIENT)
  })

  it('http, of a subclass: its own emit sees the client too', async () => {
    expect(await askFor('of a subclass')).toEqual({ ...CLIENT, seen: '203.0.113.7' })
  })

  it('https: the client shows', async () => {
    expect(await askFor('https', 'https')).toEqual(CLIENT)
  })

  it('http2 that allows HTTP/1: the client shows', async () => {
    expect(await askFor('h2', 'https')).toEqual(CLIENT)
  })

  it.each([
    ['h2c', 'http'],
    ['h2', 'https'],
  ])('http2, %s: the client shows', async (name, scheme) => {
    const session = connect(`${scheme}://127.0.0.1:${program.ports[name]}`, {
      ca: certificate,
      servername: 'internal.example',
    })
    const stream = session.request({
      ':path': '/cart',
      ':authority': 'internal.example',
      ...Object.fromEntries(FORGED.map(([line, value]) => [line.toLowerCase(), value])),
    })
    let body = ''
    stream.setEncoding('utf8').on('data', (text: string) => (body += text))
    await once(stream, 'end')
    session.close()
    expect(JSON.parse(body)).toEqual(CLIENT)
  })

  it.each([
    ['an upgrade', 'upgrading', 'GET /cart HTTP/1.1', ['Connection: Upgrade', 'Upgrade: test'], CLIENT_TEXT],
    [
      'CONNECT',
      'upgrading',
      'CONNECT far.example:443 HTTP/1.1',
      [],
      '{"ip":"203.0.113.7","secure":true,"host":"shop.example","url":"far.example:443"}',
    ],
  ])('%s: the client shows on the request and on the socket', async (_, name, line, more, report) => {
    const text = requestText(line, 'Host: internal.example', ...FORGED_LINES, ...more)
    const received = await exchange(program.ports[name] ?? 0, text)
    expect(received.split('\r\n\r\n')[1]).toBe(`203.0.113.7 ${report}`)
  })

  it.each([
    ['checkContinue', '100-continue'],
    ['checkExpectation', 'something else'],
  ])('%s: the client shows', async (_, expectation) => {
    const lines = ['Host: internal.example', `Expect: ${expectation}`, 'Connection: close', ...FORGED_LINES]
    const received = await exchange(program.ports['continuing'] ?? 0, requestText('GET /cart HTTP/1.1', ...lines))
    expect(received).toContain(CLIENT_TEXT)
  })

  it('http, of a subclass past Node: all that comes after its first request shows the client', async () => {
    await askFor('of a subclass past Node')
    const port = program.ports['of a subclass past Node'] ?? 0
    // Of a request without Host the diagnostics channel decides nothing yet.
    const old = await exchange(port, requestText('GET /cart HTTP/1.0', ...FORGED_LINES))
    const upgrade = ['Host: internal.example', 'Connection: Upgrade', 'Upgrade: test', ...FORGED_LINES]
    const upgraded = await exchange(port, requestText('GET /cart HTTP/1.1', ...upgrade))
    expect([old, upgraded].map((text) => text.split('\r\n\r\n')[1])).toEqual([CLIENT_TEXT, CLIENT_TEXT])
  })

  it('a TCP server is left alone', async () => {
    expect(await exchange(program.ports['tcp'] ?? 0, 'hello')).toBe('127.0.0.1')
  })

  it('nothing is said of requests that were fixed twice', async () => {
    await askFor('given requests')
    await askFor('with an emit of its own')
    expect(program.stderr()).toBe('')
  })

  it('a request without Host is refused by Node, whatever host was forwarded', async () => {
    const text = requestText('GET /cart HTTP/1.1', ...FORGED_LINES)
    expect(await exchange(program.ports['required'] ?? 0, text)).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/)
  })
})

describe('a request that must not reach the program', () => {
  it.each([
    ['a request', 'required', []],
    ['one that a server hands on', 'given requests', []],
    ['one of a server whose events go past Node', 'of a subclass past Node', []],
    ['an upgrade', 'upgrading', ['Connection: Upgrade', 'Upgrade: test']],
    ['one that expects 100-continue', 'continuing', ['Expect: 100-continue']],
  ])('%s is answered 400', async (_, name, more) => {
    const text = requestText('GET / HTTP/1.1', 'Host: evil.example', 'Connection: close', ...more)
    expect(await exchange(program.ports[name] ?? 0, text)).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/)
  })
})

describe('the start', () => {
  const STARTED = '-e console.log("started")'.split(' ')

  it.each([
    [
      'a value that cannot be read',
      { PROXYFIX_X_FOR: 'one' },
      "The variable PROXYFIX_X_FOR must be a whole number of proxies, 0 or more, or 'trusted', not 'one'.",
    ],
    [
      'a misspelt variable',
      { PROXYFIX_X_FOR: '1', PROXYFIX_TRUSTED_PROXY: 'loopback' },
      'There is no variable PROXYFIX_TRUSTED_PROXY: did you mean PROXYFIX_TRUSTED_PROXIES?',
    ],
    [
      'a value that cannot be meant',
      { PROXYFIX_X_FOR: 'trusted' },
      "The variable PROXYFIX_X_FOR is 'trusted', so PROXYFIX_TRUSTED_PROXIES must say who is: list the addresses of your proxies.",
    ],
  ])('%s: one sentence, exit code 2, and the program never runs', async (_, variables, sentence) => {
    expect(await run([...AUTO, ...STARTED], variables)).toEqual({
      code: 2,
      stdout: '',
      stderr: `proxyfix/auto: ${sentence}\n`,
    })
  })

  it('without a variable it says that nothing is fixed, and does nothing', async () => {
    const isPatched = 'console.log(Object.hasOwn(require("http").Server.prototype, "emit"))'
    expect(await run([...AUTO, '-e', isPatched], { PROXYFIX_FUZZ_RUNS: '100000' })).toEqual({
      code: 0,
      stdout: 'false\n',
      stderr:
        'proxyfix/auto: no PROXYFIX_ variable says whom to believe, so nothing is fixed: set PROXYFIX_X_FOR=1 for one proxy, for example.\n',
    })
  })

  it('what is dangerous is told, in the words of the variables', async () => {
    expect(await run([...AUTO, ...STARTED], { PROXYFIX_X_FOR: '1' })).toEqual({
      code: 0,
      stdout: 'started\n',
      stderr:
        'proxyfix/auto: Warning: Hop counts believe whoever connects: make sure that only your own proxies can reach this port, or anyone who does can choose its address; better, list them in PROXYFIX_TRUSTED_PROXIES.\n',
    })
  })

  it.each([
    ['NODE_OPTIONS, from any folder', { NODE_OPTIONS: `--import ${pathToFileURL(`${root}/dist/auto.js`).href}` }, []],
    ['--require', {}, ['--require', `${root}/dist/auto.js`]],
    ['both, which fix once', { NODE_OPTIONS: `--import ${pathToFileURL(`${root}/dist/auto.js`).href}` }, [...AUTO]],
  ])('by %s', async (_, variables, args) => {
    const folder = args.includes('proxyfix/auto') ? root : tmpdir()
    const plain = await start([...args, fixture('plain.cjs')], { ...SETTINGS, ...variables }, folder)
    const to = `http://127.0.0.1:${plain.ports['app']}`
    const { body } = await ask({ to, target: '/cart', host: 'internal.example', headers: FORGED })
    const { stderr } = await plain.stop()
    expect(JSON.parse(body)).toEqual(CLIENT)
    expect(stderr).toBe('')
  })
})
