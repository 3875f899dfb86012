/** The configurations of examples/deploy say what the server understands, and keep the times that they must. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { settingsFrom } from '../../src/server/environment.ts'
import { root } from './paths.ts'
import { launch, run, type Serving } from './program.ts'
import { programNamed } from './proxy-protocol-senders.ts'
import { ask } from './wire.ts'

function example(name: string): string {
  return readFileSync(`${root}/examples/deploy/${name}`, 'utf8')
}

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-deploy-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(folder, 'app.js'),
    'export default (req, res) => res.end(`${process.pid} ${req.socket.remoteAddress} ${req.headers.host}`)',
  )
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('kubernetes.yaml', () => {
  const yaml = example('kubernetes.yaml')
  const variables = Object.fromEntries(
    [...yaml.matchAll(/- name: (PROXYFIX_\w+)\n\s+value: (.*)$/gm)].map(([, name = '', value = '']) => [
      name,
      value.replaceAll("'", ''),
    ]),
  )

  it('sets variables that there are, to values that the server starts with', async () => {
    expect(Object.keys(variables).length).toBeGreaterThan(4)
    expect(settingsFrom(variables).settings).toMatchObject({ bind: [':8000'], health: '/healthz', gracefulTimeout: 25 })
    expect(await run(['serve', '--check-config', 'app.js'], folder, variables)).toMatchObject({ code: 0 })
  })

  it('leaves time for preStop and for what is in flight before the pod is killed', () => {
    const grace = Number(/terminationGracePeriodSeconds: (\d+)/.exec(yaml)?.[1])
    const sleep = Number(/'sleep', '(\d+)'/.exec(yaml)?.[1])
    const graceful = settingsFrom(variables).settings.gracefulTimeout ?? 0
    expect(grace).toBeGreaterThan(sleep + graceful)
    // Readiness is lost before the sleep is over.
    const period = Number(/readinessProbe:[^]*?periodSeconds: (\d+)/.exec(yaml)?.[1])
    expect(sleep).toBeGreaterThan(period * 2)
  })

  it('probes the path that the server answers', () => {
    expect(/readinessProbe:\s+httpGet:\s+path: (\S+)/.exec(yaml)?.[1]).toBe(variables['PROXYFIX_HEALTH'])
  })
})

describe('app.service', () => {
  const unit = example('app.service')

  it('starts the server with options that there are', async () => {
    const args = /ExecStart=\S+ \S+ (.*)$/m.exec(unit)?.[1]?.split(' ') ?? []
    const { code, stderr } = await run(args, folder)
    expect([code, stderr]).toStrictEqual([2, expect.stringContaining('LISTEN_FDS')]) // all else it understood
  })

  it('waits longer than the server needs', () => {
    expect(Number(/TimeoutStopSec=(\d+)/.exec(unit)?.[1])).toBeGreaterThan(30)
  })
})

const nginx = programNamed('nginx')

describe.skipIf(nginx === undefined)('nginx.conf', () => {
  let instances: Serving[] = []
  let proxy: ChildProcess | undefined

  afterEach(async () => {
    await Promise.all(instances.map((one) => one.stop()))
    if (proxy === undefined) return
    proxy.kill('SIGQUIT')
    await once(proxy, 'exit')
  })

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // as it does not listen on a pipe
    await new Promise((resolve) => server.close(resolve))
    return port
  }

  it('loses nothing while the instances are reloaded, and while one is gone', async () => {
    const flags = ['-w', '2', '--x-for', '1', '--x-proto', '1', '--trust', 'loopback', 'app.js']
    instances = await Promise.all([1, 2].map(() => launch(['-b', '127.0.0.1:0', ...flags], { folder })))
    const port = await freePort()
    const [one = '', two = ''] = instances.map(({ url }) => new URL(url).host)
    mkdirSync(join(folder, 'nginx'))
    const file = join(folder, 'nginx', 'nginx.conf')
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    )
    writeFileSync(
      file,
      `daemon off; pid ${folder}/pid; error_log stderr crit; ${process.getuid?.() === 0 ? 'user root;' : ''}\n` +
        example('nginx.conf')
          .replace('listen 80;', `listen 127.0.0.1:${port};`)
          .replaceAll('127.0.0.1:8001', one)
          .replaceAll('127.0.0.1:8002', two)
          .replace('http {', `http { access_log off; ${temporary.join(' ')}`),
    )
    proxy = spawn(nginx ?? '', ['-c', file, '-e', 'stderr'], { stdio: 'ignore' })
    for (let isOpen = false; !isOpen; await wait(20)) {
      const socket = connect(port, '127.0.0.1')
      isOpen = await new Promise((resolve) => {
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      })
      socket.destroy()
    }

    const workers = new Set<string>()
    const failures: string[] = []
    const over = new AbortController()
    const client = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const { status, body } = await ask({ to: `http://127.0.0.1:${port}`, host: 'shop.example' })
        if (status === 200 && body.endsWith(' 127.0.0.1 shop.example')) workers.add(body.split(' ')[0] ?? '')
        else failures.push(`${status} ${body}`)
      }
    }
    const clients = [client(), client(), client(), client()]
    const answeredBy = async (count: number): Promise<void> => {
      while (workers.size < count && failures.length === 0) await wait(10)
    }
    await answeredBy(4)
    for (const [index, instance] of instances.entries()) {
      instance.signal('SIGHUP')
      await instance.said('Reloaded')
      await answeredBy(6 + index * 2)
    }
    instances[0]?.signal('SIGTERM')
    expect(await instances[0]?.ended).toMatchObject({ code: 0 })
    workers.clear()
    await answeredBy(2)
    over.abort()
    await Promise.all(clients)
    expect(failures).toStrictEqual([])
  })
})
