/** What a person gets who types `proxyfix explain`: an explanation, or one sentence; never a wait without an end. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { program } from './paths.ts'
import { type Ended, run, serving } from './program.ts'
import { ask } from './wire.ts'

interface Surroundings {
  /** What standard input has; `undefined`: it is closed. */
  readonly stdin?: string | Uint8Array | undefined
  /** Whether standard input stays open after that, as that of an idle pipe does. */
  readonly staysOpen?: boolean
}

/** Runs `proxyfix explain` to its end. */
async function explain(args: readonly string[], { stdin, staysOpen = false }: Surroundings = {}): Promise<Ended> {
  const child = spawn(process.execPath, [program, 'explain', ...args], { stdio: 'pipe' })
  child.stdin.on('error', () => undefined) // it need not read all of it
  if (stdin !== undefined) child.stdin.write(stdin)
  if (!staysOpen) child.stdin.end()
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (child.exitCode === null) await once(child, 'exit')
  child.stdin.destroy()
  return { code: child.exitCode, stdout, stderr }
}

/** What it prints with --json. */
async function explained(args: readonly string[], surroundings?: Surroundings): Promise<unknown> {
  const { code, stdout, stderr } = await explain([...args, '--json'], surroundings)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^\{\n[\x20-\x7e\n]*\n\}\n$/)
  return JSON.parse(stdout)
}

const FOR = 'X-Forwarded-For: 203.0.113.9, 10.0.0.7'
const HEAD = 'GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 10.0.0.7\r\n\r\n'

/** The client at the second place, and its scheme not asked for. */
const SECOND = {
  info: { client: { address: '203.0.113.9' }, verdicts: { for: 'trusted', proto: 'not-configured' } },
  hopCount: 2,
}

describe('the table', () => {
  it('tells the peer, each value, the decision and other counts', async () => {
    const args = ['--x-for', '2', '--trust', 'private', '-H', FOR, '--peer', '10.0.0.5']
    const { code, stdout, stderr } = await explain(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/10\.0\.0\.5 +trusted/)
    expect(stdout).toMatch(/1 +10\.0\.0\.7 +\S/)
    expect(stdout).toMatch(/2 +203\.0\.113\.9 +\S/)
    expect(stdout).toMatch(/client +203\.0\.113\.9 +trusted/)
    expect(stdout).toMatch(/\n$/)
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('has no colours in a pipe, and no sign of its own that a terminal obeys', async () => {
    const stdin = Buffer.from('Host: \x9b2J\xff\nX-Forwarded-For: \x9d0;title\x9c\nX-Forwarded-Proto: \t"\n', 'latin1')
    const { stdout } = await explain(['--x-for', '1', '--x-proto', '1'], { stdin })
    expect(stdout).toMatch(/^[\x20-\x7e\n]+$/)
  })

  it('is there for a request that would be refused, too', async () => {
    const { code, stdout } = await explain(['--x-for', '1', '--required', 'for', '-H', 'Host: a.example'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/refused with 400/)
  })

  it('says that it explains the defaults when nothing says whom to believe', async () => {
    const { code, stdout, stderr } = await explain(['-H', FOR])
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'No option says whom to believe: these are the defaults of proxyFix, xFor 1 and xProto 1.\n',
    })
    expect(stdout).toMatch(/client +10\.0\.0\.7 +trusted/)
  })

  it('is no failure when nobody reads it', async () => {
    const child = spawn(process.execPath, [program, 'explain', '--x-for', '1', '-H', FOR], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.destroy()
    const [stderr] = await Promise.all([text(child.stderr), once(child, 'exit')])
    expect({ code: child.exitCode, stderr }).toEqual({ code: 0, stderr: '' })
  })
})

const hasScript = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

describe.skipIf(!hasScript)('in a terminal the table', () => {
  /** Runs it in a terminal of a width, as `script` makes one. */
  function inTerminal(columns: number, environment: NodeJS.ProcessEnv): string {
    const command = `stty cols ${columns}; '${process.execPath}' '${program}' explain --x-for 1 -H '${FOR}'`
    const env = { ...process.env, TERM: 'xterm', NO_COLOR: '', ...environment }
    const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    expect(status).toBe(0)
    return stdout
  }

  it('has colours', () => {
    expect(inTerminal(80, {})).toContain('\u001b[')
  })

  it('has none with NO_COLOR', () => {
    expect(inTerminal(80, { NO_COLOR: '1' })).not.toContain('\u001b')
  })

  it.each([{ columns: 46 }, { columns: 100 }])('is as wide as $columns columns allow', ({ columns }) => {
    const widths = inTerminal(columns, { NO_COLOR: '1' })
      .split(/\r?\n/)
      .map((line) => line.length)
    expect(Math.max(...widths)).toBeLessThanOrEqual(columns)
    expect(Math.max(...widths)).toBeGreaterThan(columns - 20)
  })
})

describe('the JSON', () => {
  it('has everything, under the names of Explanation', async () => {
    const args = ['--x-for', '2', '--x-host', '1', '--trust', 'private', '--peer', '10.0.0.5:4711', '-H', FOR]
    expect(await explained([...args, '-H', 'Host: a.example', '--scheme', 'https'])).toMatchObject({
      info: {
        client: { address: '203.0.113.9' },
        peer: { address: '10.0.0.5', port: 4711 },
        scheme: 'https',
        host: 'a.example',
        hostname: 'a.example',
        port: 443,
        prefix: '',
        trusted: true,
        verdicts: {
          for: 'trusted',
          proto: 'not-configured',
          host: 'absent',
          port: 'not-configured',
          prefix: 'not-configured',
        },
        rejected: [],
        refusal: null,
        original: { peer: { address: '10.0.0.5', port: 4711 }, scheme: 'https', host: 'a.example', prefix: '' },
      },
      peer: { address: '10.0.0.5', port: 4711, trusted: true },
      fields: [
        { field: 'for', header: 'X-Forwarded-For', received: '203.0.113.9, 10.0.0.7', place: 2, value: '203.0.113.9' },
        { field: 'proto', received: null, place: null, value: 'https' },
        { field: 'host', verdict: 'absent', value: 'a.example' },
        { field: 'port', value: '443' },
        { field: 'prefix', value: '' },
      ],
      hops: [
        { place: 1, text: '10.0.0.7', role: 'proxy' },
        { place: 2, text: '203.0.113.9', role: 'client' },
      ],
      hopCount: 2,
      otherCounts: [
        { hops: 0, client: { address: '10.0.0.5' } },
        { hops: 1, client: { address: '10.0.0.7' } },
        { hops: 2, client: { address: '203.0.113.9' } },
      ],
      warnings: [],
    })
  })

  it('has one set of keys, whatever is known', async () => {
    const keys = async (...args: string[]): Promise<string[]> => Object.keys((await explained(args)) as object)
    expect(await keys('--x-for', '1', '--peer', 'unix', '-H', 'A: b')).toEqual(
      await keys('--forwarded', '1', '-H', FOR),
    )
  })

  const SECRET = ['--x-for', '1', '--secret', 'X-Verify: hunter2-hunter2-hunter2, hunter3']

  it.each([
    { is: 'right', sent: 'hunter2-hunter2-hunter2', trusted: true },
    { is: 'right, the other one', sent: 'hunter3', trusted: true },
    { is: 'wrong', sent: 'hunter4', trusted: false },
  ])('never has the secret, nor the table, where it is $is', async ({ sent, trusted }) => {
    const args = [...SECRET, '-H', `X-Verify: ${sent}`, '-H', FOR]
    const json = await explained(args)
    expect(json).toMatchObject({ info: { trusted } })
    expect(JSON.stringify(json)).not.toContain('hunter')
    const { code, stdout, stderr } = await explain(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).not.toContain('hunter')
  })

  it('has no header that nobody asked for', async () => {
    const args = ['--x-for', '1', '-H', FOR, '-H', 'Authorization: Basic hunter2', '-H', 'Cookie: id=hunter2']
    expect(JSON.stringify(await explained(args))).not.toContain('hunter2')
  })
})

describe('a request', () => {
  it.each<{ is: string; args: string[]; stdin?: string | Uint8Array; gives: object }>([
    { is: 'a head on standard input', args: ['--x-for', '2'], stdin: HEAD, gives: SECOND },
    { is: 'a head with a dash', args: ['--x-for', '2', '-'], stdin: HEAD, gives: SECOND },
    { is: 'header lines on standard input', args: ['--x-for=2'], stdin: `${FOR}\n`, gives: SECOND },
    {
      is: 'typed headers, several of one name',
      args: ['--x-for=2', '-H', 'X-Forwarded-For: 203.0.113.9', '--header', 'x-forwarded-for:10.0.0.7'],
      gives: SECOND,
    },
    {
      is: 'typed headers alone, though there is a head on standard input',
      args: ['--x-for=2', '-H', FOR],
      stdin: 'X-Forwarded-For: 192.0.2.66\n',
      gives: SECOND,
    },
    {
      is: 'typed headers after those on standard input',
      args: ['--x-for=2', '-', '-H', 'X-Forwarded-For: 10.0.0.7'],
      stdin: 'X-Forwarded-For: 203.0.113.9\n',
      gives: SECOND,
    },
    {
      is: 'a typed header in place of one on standard input, which is left out',
      args: ['--x-for=2', '-', '-H', 'X-Forwarded-For:', '-H', FOR],
      stdin: 'x-forwarded-for: 192.0.2.66\n',
      gives: SECOND,
    },
    {
      is: 'an empty typed header',
      args: ['--x-for=1', '-H', 'X-Forwarded-For;'],
      gives: { info: { verdicts: { for: 'empty' } } },
    },
    {
      is: 'a Host header of standard input',
      args: ['--x-for=2'],
      stdin: HEAD,
      gives: { info: { host: 'a.example' } },
    },
    {
      is: 'a typed Host header instead of it',
      args: ['--x-for=2', '-', '-H', 'Host: b.example:81'],
      stdin: HEAD,
      gives: { info: { host: 'b.example:81', port: 81 } },
    },
    {
      is: '--host instead of both',
      args: ['--x-for=2', '-', '-H', 'Host: b.example', '--host', 'c.example'],
      stdin: HEAD,
      gives: { info: { host: 'c.example' } },
    },
    {
      is: 'of two Host lines the first',
      args: ['--x-for=2'],
      stdin: 'Host: a.example\nHost: b.example\n',
      gives: { info: { host: 'a.example' } },
    },
    {
      is: 'headers with the names that objects have by birth',
      args: ['--x-for=2'],
      stdin: `__proto__: a\nget: b\nconstructor: c\nhasOwnProperty: d\n${FOR}\n`,
      gives: SECOND,
    },
    {
      is: 'signs beyond ASCII as the bytes that they are',
      args: ['--x-for=1', '-H', 'X-Forwarded-For: ä'],
      gives: { info: { verdicts: { for: 'invalid' }, rejected: [{ value: '\u00c3\u00a4' }] } },
    },
    {
      is: 'Forwarded',
      args: ['--forwarded', '1', '-H', 'Forwarded: for=203.0.113.9;proto=https'],
      gives: { info: { client: { address: '203.0.113.9' }, scheme: 'https' } },
    },
    {
      is: 'Forwarded as far as trusted',
      args: [
        '--forwarded=trusted',
        '--trust=private',
        '--peer=10.0.0.5',
        '-H',
        'Forwarded: for=203.0.113.9, for=10.0.0.7',
      ],
      gives: { info: { client: { address: '203.0.113.9' } } },
    },
    {
      is: 'X-Forwarded-For as far as trusted',
      args: ['--x-for=trusted', '--trust=10.0.0.5', '--trust=10.0.0.6,10.0.0.7', '--peer=10.0.0.5', '-H', FOR],
      gives: SECOND,
    },
    {
      is: 'a walk that ends early',
      args: ['--x-for=trusted', '--trust=private', '--max-hops=1', '--peer=10.0.0.5', '-H', FOR],
      gives: { info: { client: { address: '10.0.0.7' } } },
    },
    {
      is: 'a header of its own',
      args: ['--client-ip-header=X-Real-IP', '--trust=unix', '--peer=unix', '-H', 'X-Real-IP: 203.0.113.9'],
      gives: { info: { client: { address: '203.0.113.9' }, peer: {} } },
    },
    {
      is: 'a value that breaks its grammar, and is passed over',
      args: ['--x-for=1', '--on-invalid=ignore', '-H', 'X-Forwarded-For: unknown'],
      gives: { info: { verdicts: { for: 'invalid' }, refusal: null } },
    },
    {
      is: 'a value that breaks its grammar, and is refused',
      args: ['--x-for=1', '--on-invalid=reject', '-H', 'X-Forwarded-For: unknown'],
      gives: { info: { verdicts: { for: 'invalid' }, refusal: { status: 400, field: 'for' } } },
    },
    {
      is: 'a host that is not allowed',
      args: ['--allowed-host=a.example', '--allowed-host=.b.example', '-H', 'Host: c.example'],
      gives: { info: { refusal: { status: 400, field: 'host' } } },
    },
  ])('is $is', async ({ args, stdin, gives }) => {
    expect(await explained(args, { stdin })).toMatchObject(gives)
  })

  it.each([
    { peer: '192.0.2.1', gives: { address: '192.0.2.1' } },
    { peer: '192.0.2.1:80', gives: { address: '192.0.2.1', port: 80 } },
    { peer: '::1', gives: { address: '::1' } },
    { peer: '2001:DB8::0:1', gives: { address: '2001:db8::1' } },
    { peer: '[::1]', gives: { address: '::1' } },
    { peer: '[::1]:80', gives: { address: '::1', port: 80 } },
    { peer: '::ffff:192.0.2.1', gives: { address: '192.0.2.1' } },
    { peer: 'fe80::1%eth0', gives: { address: 'fe80::1' } },
    { peer: 'unix', gives: {} },
  ])('may come from $peer', async ({ peer, gives }) => {
    expect(await explained(['--x-for=0', '--peer', peer, '-H', 'A: b'])).toMatchObject({
      info: { peer: gives, client: gives },
    })
  })

  it.each<{ trust: string[]; peer: { address?: string } }>([
    { trust: ['private'], peer: { address: '10.0.0.1' } },
    { trust: ['private, loopback'], peer: { address: '127.0.0.1' } },
    { trust: ['127.0.0.0/8'], peer: { address: '127.0.0.1' } },
    { trust: ['linklocal'], peer: { address: '169.254.0.1' } },
    { trust: ['::1'], peer: { address: '::1' } },
    { trust: ['unix'], peer: {} },
    { trust: ['192.0.2.7'], peer: { address: '192.0.2.7' } },
    { trust: ['private, 192.0.2.0/24'], peer: { address: '192.0.2.0' } },
    { trust: ['unix', '2001:DB8::/32'], peer: { address: '2001:db8::' } },
    { trust: ['::ffff:192.0.2.0/120'], peer: { address: '192.0.2.0' } },
  ])('comes from a peer that --trust $trust has, when none is named', async ({ trust, peer }) => {
    const args = ['--x-for', '2', ...trust.flatMap((list) => ['--trust', list]), '-H', 'X-Forwarded-For: 203.0.113.9']
    const { code, stdout, stderr } = await explain([...args, '--json'])
    const taken = peer.address ?? 'one without an address (unix)'
    const isUsual = taken === '127.0.0.1'
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: isUsual ? '' : `No --peer was given: taken to be ${taken}, which --trust has.\n`,
    })
    expect(JSON.parse(stdout)).toMatchObject({ info: { peer, trusted: true } })
  })

  it('is explained with the client that proxies tell, though no peer is named', async () => {
    const { stdout } = await explain(['--x-for', '2', '--trust', 'private', '-H', FOR, '--json'])
    expect(JSON.parse(stdout)).toMatchObject(SECOND)
  })

  it('comes from the peer that is named, trusted or not', async () => {
    expect(await explained(['--x-for', '2', '--trust', 'private', '--peer', '127.0.0.1', '-H', FOR])).toMatchObject({
      info: { client: { address: '127.0.0.1' }, trusted: false },
    })
  })

  it('is not believed without the secret, whoever it is taken to come from', async () => {
    const args = ['--x-for', '2', '--trust', 'private', '--secret', 'X-Verify: hunter2-hunter2-hunter2', '-H', FOR]
    const { code, stdout, stderr } = await explain([...args, '--json'])
    expect(code).toBe(0)
    expect(stderr).toMatch(/^No --peer was given: taken to be 10\.0\.0\.1, .*\n$/)
    expect(JSON.parse(stdout)).toMatchObject({
      info: { client: { address: '10.0.0.1' }, trusted: false, verdicts: { for: 'untrusted-peer' } },
      peer: { address: '10.0.0.1', trusted: false, reason: expect.stringContaining('X-Verify') as string },
    })
    expect(stdout + stderr).not.toContain('hunter2')
  })

  it('is not waited for where an option cannot be meant', async () => {
    expect(await explain(['--x-for=1', '--trust=*'], { staysOpen: true })).toEqual(told("'*'"))
  })

  it('is not waited for on standard input when headers are typed', async () => {
    expect((await explain(['--x-for=2', '-H', FOR], { staysOpen: true })).code).toBe(0)
  })

  it('is waited for no longer than it goes', async () => {
    const { code, stdout } = await explain(['--x-for=2'], { stdin: HEAD, staysOpen: true })
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/client +203\.0\.113\.9/) })
  })

  it('may be followed by a body of any length', async () => {
    const stdin = Buffer.concat([Buffer.from(HEAD), Buffer.alloc(1e7)])
    expect(await explained(['--x-for=2'], { stdin })).toMatchObject(SECOND)
  })
})

describe('the shared options', () => {
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'proxyfix-explain-'))
    writeFileSync(
      join(folder, 'who.mjs'),
      'export default (req, res) => res.end(`${req.socket.remoteAddress} ${req.headers["x-verify"] ?? "no secret"}`)\n',
    )
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it.each<{ args: string[]; headers: [string, string][]; gives: string }>([
    {
      args: ['--x-for=trusted', '--trust=loopback,private'],
      headers: [['X-Forwarded-For', '203.0.113.9, 10.0.0.7']],
      gives: '203.0.113.9 no secret',
    },
    {
      args: ['--x-for=1', '--trust=private'],
      headers: [['X-Forwarded-For', '203.0.113.9']],
      gives: '127.0.0.1 no secret',
    },
    { args: ['--forwarded=1'], headers: [['Forwarded', 'for=203.0.113.9']], gives: '203.0.113.9 no secret' },
    {
      args: ['--client-ip-header=X-Real-IP', '--secret=X-Verify: a-long-random-text'],
      headers: [
        ['X-Real-IP', '203.0.113.9'],
        ['X-Verify', 'a-long-random-text'],
      ],
      gives: '203.0.113.9 no secret',
    },
    { args: [], headers: [['X-Forwarded-For', '203.0.113.9']], gives: '127.0.0.1 no secret' },
  ])('mean the same to a server: $args', async ({ args, headers, gives }) => {
    const server = await serving(...args, join(folder, 'who.mjs'))
    try {
      expect(await ask({ to: server.url, host: 'a.example', headers })).toEqual({ status: 200, body: gives })
    } finally {
      await server.stop()
    }
  })

  it.each([
    { args: ['serve', '--x-for=1', '--trust', '*', 'app.js'], says: 'leave --trust out' },
    { args: ['serve', '--x-for=1', '--on-invalid', 'app.js'], says: "ignore or reject, not 'app.js'" },
    { args: ['serve', '--x-for=1', '--secret', '--trust=private', 'app.js'], says: '--secret needs a value' },
    { args: ['serve', '--trust', 'private', 'app.js'], says: '--trust does nothing alone' },
    { args: ['serve', '--secret', 'hunter2', 'app.js'], says: '--secret' },
    { args: ['serve', 'app.js', '--x-for=1', '--secret', 'X-Verify:', 'hunter2'], says: 'in quotes' },
  ])('are judged alike: $args', async ({ args, says }) => {
    writeFileSync(join(folder, 'app.js'), 'module.exports = (req, res) => res.end()\n')
    const { code, stdout, stderr } = await run(args, folder)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^proxyfix: [^\n]+\.\n$/)
    expect(stderr).toContain(says)
    expect(stderr).not.toContain('hunter2')
  })
})

const curlVersion = spawnSync('curl', ['--version'], { encoding: 'utf8' }).stdout ?? ''

describe.skipIf(curlVersion === '')('the output of curl -v', () => {
  const LIE = '> GET / HTTP/1.1\r\n> X-Forwarded-For: 192.0.2.66\r\n> \r\n'
  const server = createServer((_req, res) => res.setHeader('X-Forwarded-For', '192.0.2.66').end(LIE))
  const http2 = createHttp2Server((_req, res) => res.end(LIE))

  async function listening(one: Server | typeof http2): Promise<string> {
    one.listen(0, '127.0.0.1')
    await once(one, 'listening')
    return `127.0.0.1:${(one.address() as AddressInfo).port}` // as it does not listen on a pipe
  }
  let http: string
  let overHttp2: string
  beforeAll(async () => {
    http = await listening(server)
    overHttp2 = await listening(http2)
    // A proxy that opens a tunnel to this very server, whatever is asked for.
    server.on('connect', (_req, socket) => {
      const [host = '', port] = http.split(':')
      const other = connect(Number(port), host)
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(other).pipe(socket)
    })
  })
  afterAll(() => {
    server.close()
    http2.close()
  })

  /** All that curl prints, as a pipe after `2>&1` gets it. */
  async function curl(...args: readonly string[]): Promise<string> {
    const child = spawn('sh', ['-c', 'exec curl -q --noproxy "" "$@" 2>&1', 'curl', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return await text(child.stdout)
  }

  const HEADERS = ['-H', 'X-Forwarded-For: 203.0.113.9', '-H', 'x-forwarded-for: 10.0.0.7']

  it.each([
    { is: 'quiet', args: ['-sv'] },
    { is: 'with its progress meter', args: ['-v'] },
    { is: 'with a body that it sends', args: ['-v', '-d', 'a=b'] },
  ])('$is', async ({ args }) => {
    const stdin = await curl(...args, ...HEADERS, `http://${http}/`)
    expect(stdin).toContain('192.0.2.66')
    expect(await explained(['--x-for', '2'], { stdin })).toMatchObject({
      ...SECOND,
      info: { ...SECOND.info, host: http },
    })
  })

  it('through a tunnel', async () => {
    const stdin = await curl('-sv', '-p', '-x', `http://${http}`, ...HEADERS, 'http://a.example/')
    expect(stdin).toContain('> CONNECT')
    expect(await explained(['--x-for', '2'], { stdin })).toMatchObject({
      ...SECOND,
      info: { ...SECOND.info, host: 'a.example' },
    })
  })

  it.skipIf(!/\bHTTP2\b/.test(curlVersion))('over HTTP/2', async () => {
    const stdin = await curl('-v', '--http2-prior-knowledge', ...HEADERS, `http://${overHttp2}/`)
    expect(stdin).toContain('HTTP/2')
    expect(await explained(['--x-for', '2'], { stdin })).toMatchObject({
      ...SECOND,
      info: { ...SECOND.info, host: overHttp2 },
    })
  })

  it('without a request, as nobody listens there', async () => {
    const stdin = await curl('-v', 'http://127.0.0.1:1/')
    expect(await explain(['--x-for', '2'], { stdin })).toEqual(told('has no request in it'))
  })

  it('without its standard error', async () => {
    const stdin = await curl('-si', `http://${http}/`)
    expect(await explain(['--x-for', '2'], { stdin })).toEqual(told('2>&1'))
  })
})

/** How it ends that tells a mistake: one sentence with this in it, no stack trace, no secret. */
function told(says: string): Ended {
  const part = says.replaceAll(/[^\w ]/g, '\\$&')
  const sentence = new RegExp(`^(?=.*${part})(?!.*(hunter2|node:|dist\\/))proxyfix: [^\\n]+[.?]\\n$`)
  return { code: 2, stdout: '', stderr: expect.stringMatching(sentence) as string }
}

describe('a mistake is told in one sentence', () => {
  const GIVEN = ['-H', FOR]

  it.each<{ is: string; args: string[]; stdin?: string | Uint8Array; says: string }>([
    { is: 'no request at all', args: ['--x-for=1'], says: 'Standard input is empty' },
    { is: 'no request where a dash promises one', args: ['--x-for=1', '-', ...GIVEN], says: 'Standard input is empty' },
    { is: 'prose for a request', args: ['--x-for=1'], stdin: 'hello\n', says: 'Standard input is no request' },
    { is: 'a folded header', args: ['--x-for=1'], stdin: 'A: b\n c\n', says: 'Line 2 of standard input' },
    { is: '10 MB for a request', args: ['--x-for=1'], stdin: Buffer.alloc(1e7, 'a'), says: '64 KiB' },
    { is: 'a header without a colon', args: ['-H', 'hunter2'], says: 'The header of -H is no header' },
    { is: 'a second header without a colon', args: [...GIVEN, '-H', 'hunter2'], says: 'The 2. header of -H' },
    { is: 'a header that was not quoted', args: ['-H', 'X-Verify:', 'hunter2'], says: 'in quotes' },
    { is: 'a header with a line break', args: ['-H', 'A: b\nC: hunter2'], says: 'control character' },
    { is: 'an escape sequence in a header', args: ['-H', 'A: \u001b[2J'], says: 'control character' },
    { is: 'a header in a file', args: ['-H', '@headers.txt'], says: 'is a file' },
    { is: 'a blank before the colon', args: ['-H', 'A : b'], says: 'blank before the colon' },
    { is: 'two dashes', args: ['-', '-'], stdin: HEAD, says: 'an argument too many' },
    { is: 'a file for an argument', args: ['head.txt'], stdin: HEAD, says: 'an argument too many' },
    { is: 'a host name for a peer', args: ['--peer', 'localhost', ...GIVEN], says: "'localhost'" },
    { is: 'an empty peer', args: ['--peer', '', ...GIVEN], says: "''" },
    { is: 'leading zeros in a peer', args: ['--peer', '010.0.0.1', ...GIVEN], says: "'010.0.0.1'" },
    { is: 'a peer with port 0', args: ['--peer', '10.0.0.1:0', ...GIVEN], says: 'from 1 to 65535' },
    { is: 'a peer with a port too high', args: ['--peer', '[::1]:65536', ...GIVEN], says: 'from 1 to 65535' },
    { is: 'a peer with a colon and no port', args: ['--peer', '10.0.0.1:', ...GIVEN], says: 'from 1 to 65535' },
    { is: 'IPv4 in brackets', args: ['--peer', '[10.0.0.1]', ...GIVEN], says: "'[10.0.0.1]'" },
    { is: 'an unknown scheme', args: ['--scheme', 'ftp', ...GIVEN], says: "'ftp'" },
    { is: 'a count in words', args: ['--x-for', 'one', ...GIVEN], says: "'one'" },
    { is: 'a negative count', args: ['--x-for', '-1', ...GIVEN], says: "'-1'" },
    { is: 'a walk without proxies', args: ['--x-for', 'trusted', ...GIVEN], says: 'so --trust must say who is' },
    { is: 'a block that is none', args: ['--x-for=1', '--trust', '10.0.0.0/33', ...GIVEN], says: "'10.0.0.0/33'" },
    { is: 'everybody', args: ['--x-for=1', '--trust', '*', ...GIVEN], says: "'*'" },
    { is: 'two families', args: ['--forwarded=1', '--x-for=0', ...GIVEN], says: 'exclude each other' },
    {
      is: 'two headers for the client',
      args: ['--client-ip-header=X-Real-IP', '--x-for=1', ...GIVEN],
      says: 'exclude each other',
    },
    {
      is: 'a header that everybody may send',
      args: ['--client-ip-header=X-Real-IP', ...GIVEN],
      says: 'it needs --trust or --secret',
    },
    { is: 'proxies of whom nothing is read', args: ['--trust=private', ...GIVEN], says: '--trust does nothing alone' },
    { is: 'no hops at all', args: ['--x-for=1', '--max-hops=0', ...GIVEN], says: "'0'" },
    { is: 'an unknown field', args: ['--x-for=1', '--required=client', ...GIVEN], says: "'client'" },
    { is: 'a field that is not read', args: ['--x-for=1', '--required=host', ...GIVEN], says: 'but --x-host is 0' },
    { is: 'a host with a star', args: ['--allowed-host=*.a.example', ...GIVEN], says: "'*.a.example'" },
    { is: 'a secret without a name', args: ['--x-for=1', '--secret=hunter2', ...GIVEN], says: '--secret' },
    {
      is: 'a secret with a sign that no header has',
      args: ['--x-for=1', '--secret=X-Verify: hunter2ä', ...GIVEN],
      says: 'The value of the option --secret',
    },
    { is: 'an empty secret', args: ['--x-for=1', '--secret=X-Verify:', ...GIVEN], says: 'put both in quotes' },
    {
      is: 'a secret that was not quoted',
      args: ['--x-for=1', '--secret', 'X-Verify:', 'hunter2', ...GIVEN],
      says: 'put both in quotes',
    },
    { is: 'a value for --json', args: ['--json=1', ...GIVEN], says: 'takes no value' },
    { is: 'two peers', args: ['--peer=unix', '--peer=unix', ...GIVEN], says: 'twice' },
    { is: 'a misspelt option', args: ['--trusted', 'private', ...GIVEN], says: 'did you mean --trust?' },
    { is: 'an option of serve', args: ['--bind', ':80', ...GIVEN], says: 'There is no option --bind' },
    { is: 'a port by its letter', args: ['-p', '80', ...GIVEN], says: 'There is no option -p: try --help' },
    { is: 'a port', args: ['--port', '80', ...GIVEN], says: 'There is no option --port: try --help' },
    { is: 'the name of another library', args: ['--trust-proxy', '1', ...GIVEN], says: 'did you mean --trust?' },
    { is: 'the name of a header', args: ['--x-forwarded-for=1', ...GIVEN], says: 'did you mean --x-for?' },
    { is: 'a wrong choice', args: ['--x-for=1', '--on-invalid=400', ...GIVEN], says: "ignore or reject, not '400'" },
    { is: 'a header for a value', args: ['--x-for=1', '--trust', ...GIVEN], says: 'The option --trust needs a value' },
    { is: 'an option for a peer', args: ['--peer', '--json', ...GIVEN], says: 'The option --peer needs a value' },
    { is: 'an option for a header', args: ['-H', '--json'], says: 'The option -H needs a value' },
    { is: '__proto__ for an option', args: ['--__proto__=1', ...GIVEN], says: 'There is no option --__proto__' },
  ])('$is', async ({ args, stdin, says }) => {
    expect(await explain(args, { stdin })).toEqual(told(says))
  })
})

describe('help', () => {
  it.each([
    { args: ['--help'], says: 'explain' },
    { args: ['explain', '--help'], says: 'Usage: proxyfix explain' },
    { args: ['explain', '-h'], says: 'xFor 1, xProto 1' },
    { args: ['explain', '-h', '--x-for', '1'], says: '--trust LIST' },
    { args: ['explain', '-h'], says: '80 columns' },
    { args: ['explain', '-h'], says: '--on-invalid ignore|reject' },
    { args: ['serve', '-h'], says: '--on-invalid ignore|reject' },
    { args: ['serve', '--help'], says: '--trust LIST' },
  ])('is what $args prints, in 120 columns', async ({ args, says }) => {
    const { code, stdout, stderr } = await run(args)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: expect.stringContaining(says) as string, stderr: '' })
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(120)
  })

  it('knows the command by a slip', async () => {
    expect(await run(['explian'])).toEqual(told('did you mean explain?'))
  })
})
