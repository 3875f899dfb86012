/** Where a server listens: every kind of address, several at once, with TLS and with the PROXY protocol in front. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { connect as connectTls, type PeerCertificate } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { selfSignedCertificate } from './certificate.ts'
import { program } from './paths.ts'
import { launch, run, type RunOptions, type Serving } from './program.ts'
import { ask } from './wire.ts'

const APP = `
export default (req, res) => res.end([req.httpVersion, req.socket.encrypted === true ? 'https' : 'http', req.socket.remoteAddress].join(' '))
`

let folder: string
let server: Serving | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-binds-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'app.js'), APP)
})
afterEach(async () => {
  await server?.stop()
  server = undefined
  rmSync(folder, { recursive: true })
})

async function started(args: readonly string[], options: RunOptions = {}): Promise<Serving> {
  server = await launch([...args, 'app.js'], { folder, ...options })
  return server
}

/** Asks over a unix socket. */
async function askPath(name: string, headers: Record<string, string> = {}): Promise<string> {
  const req = request({ socketPath: join(folder, name), agent: false, headers }).end()
  const [res] = (await once(req, 'response')) as [AsyncIterable<Uint8Array> & { statusCode: number }]
  return `${res.statusCode} ${await text(res)}`
}

describe.each([
  ['in one process', []],
  ['with workers', ['-w', '2']],
] as const)('%s', (_, flags) => {
  it('several addresses at once are all listened on', async () => {
    const binds = ['-b', '127.0.0.1:0', '-b', '[::1]:0', '-b', 'unix:app.sock']
    const { urls } = await started([...flags, ...binds])
    expect(urls).toStrictEqual([
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^http:\/\/\[::1\]:\d+$/),
      'unix:app.sock',
    ])
    expect(await ask({ to: urls[0]!, host: 'a' })).toStrictEqual({ status: 200, body: '1.1 http 127.0.0.1' })
    expect(await ask({ to: urls[1]!, host: 'a' })).toStrictEqual({ status: 200, body: '1.1 http ::1' })
    expect(await askPath('app.sock')).toBe('200 1.1 http ')
  })

  it('without a host both families are', async () => {
    const { url } = await started([...flags, '-b', ':0'])
    const { port } = new URL(url)
    expect((await ask({ to: `http://127.0.0.1:${port}`, host: 'a' })).body).toMatch(/127\.0\.0\.1$/)
    expect((await ask({ to: `http://[::1]:${port}`, host: 'a' })).body).toMatch(/::1$/)
  })

  it('one address for each family can have the same port', async () => {
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as { port: number } // as it does not listen on a pipe
    await new Promise((resolve) => free.close(resolve))
    await started([...flags, '-b', `0.0.0.0:${port}`, '-b', `[::]:${port}`])
    expect((await ask({ to: `http://[::1]:${port}`, host: 'a' })).status).toBe(200)
    expect((await ask({ to: `http://127.0.0.1:${port}`, host: 'a' })).body).toBe('1.1 http 127.0.0.1')
  })

  it('a unix socket has the mode that was asked for, and is removed at the end', async () => {
    const { signal, ended } = await started([...flags, '-b', 'unix:app.sock:mode=640'])
    expect(statSync(join(folder, 'app.sock')).mode & 0o777).toBe(0o640)
    signal('SIGTERM')
    expect(await ended).toMatchObject({ code: 0 })
    expect(existsSync(join(folder, 'app.sock'))).toBe(false)
  })

  it.each(['SIGINT', 'SIGQUIT'] as const)('a unix socket is removed by %s, too', async (name) => {
    const { signal, ended } = await started([...flags, '-b', 'unix:app.sock'])
    signal(name)
    expect(await ended).toMatchObject({ code: 0 })
    expect(existsSync(join(folder, 'app.sock'))).toBe(false)
  })

  it('a unix socket that is another server’s by then is not removed at the end', async () => {
    const first = await started([...flags, '-b', 'unix:app.sock'])
    rmSync(join(folder, 'app.sock'))
    const second = await started([...flags, '-b', 'unix:app.sock'])
    first.signal('SIGTERM')
    expect(await first.ended).toMatchObject({ code: 0 })
    expect(await askPath('app.sock')).toBe('200 1.1 http ')
    expect(second.urls).toStrictEqual(['unix:app.sock'])
  })

  it('a proxy on a unix socket is trusted as unix, and by no other name', async () => {
    const headers = { 'X-Forwarded-For': '203.0.113.7' }
    const first = await started([...flags, '-b', 'unix:app.sock', '--x-for', '1', '--trust', 'unix'])
    expect(await askPath('app.sock', headers)).toBe('200 1.1 http 203.0.113.7')
    await first.stop()
    await started([...flags, '-b', 'unix:app.sock', '--x-for', '1', '--trust', 'private,loopback'])
    expect(await askPath('app.sock', headers)).toBe('200 1.1 http ')
  })

  it('a unix socket that a killed server has left is taken over', async () => {
    const first = await started([...flags, '-b', 'unix:app.sock'])
    await first.stop()
    expect(existsSync(join(folder, 'app.sock'))).toBe(true)
    await started([...flags, '-b', 'unix:app.sock'])
    expect(await askPath('app.sock')).toBe('200 1.1 http ')
  })

  it('a unix socket that a killed server has left is taken over by one of those that start at once', async () => {
    const killed = await started([...flags, '-b', 'unix:app.sock'])
    await killed.stop()
    const starts = await Promise.allSettled(
      Array.from({ length: 3 }, () => launch([...flags, '-b', 'unix:app.sock', 'app.js'], { folder })),
    )
    const [first, ...more] = starts.filter((start) => start.status === 'fulfilled')
    try {
      expect(more).toStrictEqual([])
      const reasons = starts.filter((start) => start.status === 'rejected').map(({ reason }) => String(reason))
      expect(reasons).toStrictEqual(
        Array.from({ length: 2 }, () => expect.stringContaining('another program answers there') as string),
      )
      expect(await askPath('app.sock')).toBe('200 1.1 http ')
    } finally {
      for (const one of [first, ...more]) one?.value.signal('SIGTERM')
      for (const one of [first, ...more]) await one?.value.ended
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('app.sock'))).toStrictEqual([])
  })

  it('a unix socket that somebody answers is not', async () => {
    await started([...flags, '-b', 'unix:app.sock'])
    const { code, stderr } = await run(['serve', ...flags, '-b', 'unix:app.sock', 'app.js'], folder)
    expect([code, stderr]).toStrictEqual([
      1,
      'proxyfix: Cannot listen on unix:app.sock: another program answers there; stop it, or choose another path.\n',
    ])
    expect(await askPath('app.sock')).toBe('200 1.1 http ')
  })

  it('a file is not overwritten by a unix socket', async () => {
    const { code, stderr } = await run(['serve', ...flags, '-b', 'unix:app.js', 'app.js'], folder)
    expect([code, stderr]).toStrictEqual([1, expect.stringContaining('a file is there that is no socket')])
    expect(readFileSync(join(folder, 'app.js'), 'utf8')).toBe(APP)
  })

  it('a link is not followed to be removed, wherever it leads', async () => {
    for (const target of ['app.js', 'nowhere']) {
      symlinkSync(join(folder, target), join(folder, 'app.sock'))
      const { code, stderr } = await run(['serve', ...flags, '-b', 'unix:app.sock', 'app.js'], folder)
      expect([code, stderr]).toStrictEqual([1, expect.stringContaining('a file is there that is no socket')])
      rmSync(join(folder, 'app.sock'))
    }
  })

  it('none is listened on when one of them cannot be', async () => {
    const other = await started(['-b', '127.0.0.1:0'])
    const taken = other.url.replace('http://', '')
    const { code } = await run(['serve', ...flags, '-b', 'unix:app.sock', '-b', taken, 'app.js'], folder)
    expect([code, existsSync(join(folder, 'app.sock'))]).toStrictEqual([1, false])
  })

  it('the sockets of systemd count before $PORT, which is not looked at then', async () => {
    const listening = createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const { _handle: handle } = listening as unknown as { readonly _handle: { readonly fd: number } }
    const script = `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`
    const child = spawn('sh', ['-c', script, 'sh', process.execPath, program, 'serve', ...flags, 'app.js'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe', handle.fd],
      env: { ...process.env, PORT: 'abc' },
    })
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (line: string) => (said += line))
    const exited = once(child, 'exit')
    try {
      await Promise.race([
        exited,
        (async () => {
          while (!said.includes('Listening on')) await once(child.stderr!, 'data')
        })(),
      ])
      listening.close()
      expect(said).toMatch(/^Listening on http:\S+/m)
      expect((await ask({ to: /http:\S+/.exec(said)?.[0] ?? '', host: 'a' })).status).toBe(200)
    } finally {
      child.kill('SIGTERM')
    }
    expect(await exited).toStrictEqual([0, null])
  })

  it('the sockets of systemd are taken when it passes some on, and it is told when all is ready', async () => {
    const listening = createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const { _handle: handle } = listening as unknown as { readonly _handle: { readonly fd: number } }
    // systemd says for which process they are; here that is known only to the shell that becomes it.
    const script = `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$@"`
    const told = join(folder, 'told')
    writeFileSync(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 })
    const child = spawn(
      'sh',
      ['-c', script, 'sh', process.execPath, program, 'serve', ...flags, '-b', 'systemd:name=web', 'app.js'],
      {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe', handle.fd],
        env: {
          ...process.env,
          NOTIFY_SOCKET: '/run/none',
          WATCHDOG_USEC: '200000',
          PATH: `${folder}:${process.env['PATH']}`,
        },
      },
    )
    const toldOf = async (state: string): Promise<void> => {
      while (!existsSync(told) || !readFileSync(told, 'utf8').includes(state)) await wait(10)
    }
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (line: string) => (said += line))
    const exited = once(child, 'exit')
    try {
      while (!said.includes('Listening on')) await once(child.stderr!, 'data')
      listening.close()
      expect((await ask({ to: /http:\S+/.exec(said)?.[0] ?? '', host: 'a' })).status).toBe(200)
      await toldOf('WATCHDOG=1')
    } finally {
      child.kill('SIGTERM')
    }
    expect(await exited).toStrictEqual([0, null])
    await toldOf('STOPPING=1')
    const states = readFileSync(told, 'utf8').replaceAll(`--pid=${child.pid} `, '').split('\n')
    expect(states.filter((state) => state !== 'WATCHDOG=1')).toStrictEqual(['READY=1', 'STOPPING=1', ''])
  })

  describe('TLS', () => {
    function certify(): string {
      const { certificate, key } = selfSignedCertificate('localhost')
      writeFileSync(join(folder, 'cert.pem'), certificate)
      writeFileSync(join(folder, 'key.pem'), key)
      return certificate
    }

    it('is spoken with a certificate and its key', async () => {
      const certificate = certify()
      const { url } = await started([...flags, '-b', '127.0.0.1:0', '--cert', 'cert.pem', '--key', 'key.pem'])
      expect(url).toMatch(/^https:/)
      const { body } = await ask({ to: url, host: 'localhost', certificate })
      expect(body).toBe('1.1 https 127.0.0.1')
    })

    it('is spoken on one address and not on another', async () => {
      const certificate = certify()
      const { urls } = await started([
        ...flags,
        '-b',
        'ssl:0:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem',
        '-b',
        '127.0.0.1:0',
      ])
      expect((await ask({ to: urls[0]!, host: 'localhost', certificate })).body).toBe('1.1 https 127.0.0.1')
      expect((await ask({ to: urls[1]!, host: 'localhost' })).body).toBe('1.1 http 127.0.0.1')
    })

    it('is spoken with a fresh certificate for adhoc, the same by every worker', async () => {
      const { url } = await started([...flags, '-b', '127.0.0.1:0', '--cert', 'adhoc'])
      const seen = new Set<string>()
      for (let time = 0; time < 4; time++) seen.add((await certificateAt(url)).fingerprint256)
      expect(seen.size).toBe(1)
      expect((await certificateAt(url)).subjectaltname).toBe('DNS:localhost, IP Address:127.0.0.1')
    })

    it('changes its certificate by SIGHUP, and keeps the old one when the new one cannot be used', async () => {
      certify()
      const { url, signal, said } = await started([
        ...flags,
        '-b',
        '127.0.0.1:0',
        '--cert',
        'cert.pem',
        '--key',
        'key.pem',
      ])
      const first = (await certificateAt(url)).fingerprint256
      certify()
      signal('SIGHUP')
      await said('Reloaded')
      const second = (await certificateAt(url)).fingerprint256
      expect(second).not.toBe(first)
      writeFileSync(join(folder, 'key.pem'), selfSignedCertificate('localhost').key)
      signal('SIGHUP')
      await said('they are not a pair')
      await said('Not reloaded')
      expect((await certificateAt(url)).fingerprint256).toBe(second)
    })

    it('offers HTTP/2 where it is asked to, and says GOAWAY when it stops', async () => {
      const certificate = certify()
      const { url, signal, ended } = await started([
        ...flags,
        '-b',
        '127.0.0.1:0',
        '--cert',
        'cert.pem',
        '--key',
        'key.pem',
        '--http2',
      ])
      expect((await ask({ to: url, host: 'localhost', certificate })).body).toBe('1.1 https 127.0.0.1')
      const session = connectHttp2(url, { ca: certificate, servername: 'localhost' })
      const goaway = once(session, 'goaway')
      expect(await text(session.request({ ':path': '/' }))).toBe('2.0 https 127.0.0.1')
      signal('SIGTERM')
      expect((await goaway)[0]).toBe(0)
      expect(await ended).toMatchObject({ code: 0 })
    })
  })

  describe('the PROXY protocol', () => {
    const HEADER = 'PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n'

    async function exchange(url: string, bytes: string): Promise<string> {
      const { hostname, port } = new URL(url)
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined)
      socket.write(bytes)
      return await text(socket).catch(() => 'reset')
    }
    const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

    it('is read from who is listed, and required of them', async () => {
      const { url, said } = await started([...flags, '-b', '127.0.0.1:0', '--proxy-protocol', 'loopback'])
      expect(await exchange(url, HEADER + REQUEST)).toMatch(/1\.1 http 203\.0\.113\.7$/)
      expect(await exchange(url, REQUEST)).not.toContain('HTTP/1.1')
      await said('A connection from 127.0.0.1 was closed')
    })

    it('is read on one address and not on another', async () => {
      const { urls } = await started([
        ...flags,
        '-b',
        'tcp:0:interface=127.0.0.1:proxyProtocol=127.0.0.1',
        '-b',
        '127.0.0.1:0',
      ])
      expect(await exchange(urls[0]!, HEADER + REQUEST)).toMatch(/203\.0\.113\.7$/)
      expect(await exchange(urls[1]!, REQUEST)).toMatch(/127\.0\.0\.1$/)
      expect(await exchange(urls[1]!, HEADER + REQUEST)).toMatch(/^HTTP\/1\.1 400/)
    })

    it('lets nobody in that is not listed', async () => {
      const { url, said } = await started([...flags, '-b', '127.0.0.1:0', '--proxy-protocol', '10.0.0.0/8'])
      expect(await exchange(url, HEADER + REQUEST)).not.toContain('HTTP/1.1')
      await said('it does not come from a listed sender')
    })

    it('comes before TLS, and the source it names is judged by --trust', async () => {
      const { certificate, key } = selfSignedCertificate('localhost')
      writeFileSync(join(folder, 'cert.pem'), certificate)
      writeFileSync(join(folder, 'key.pem'), key)
      const { url } = await started([
        ...flags,
        '-b',
        '127.0.0.1:0',
        '--cert',
        'cert.pem',
        '--key',
        'key.pem',
        '--proxy-protocol',
        'loopback',
        '--x-for',
        'trusted',
        '--trust',
        '203.0.113.7',
      ])
      const { hostname, port } = new URL(url)
      const socket = connect(Number(port), hostname)
      socket.write(HEADER)
      const secure = connectTls({ socket, ca: certificate, servername: 'localhost' })
      secure.write('GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.9\r\nConnection: close\r\n\r\n')
      expect(await text(secure)).toMatch(/1\.1 https 198\.51\.100\.9$/)
    })
  })
})

async function certificateAt(url: string): Promise<PeerCertificate> {
  const { hostname, port } = new URL(url)
  const socket = connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerCertificate()
  socket.destroy()
  return certificate
}
