/** The configurations of examples/deploy say what the server understands, and keep the times that they must. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { settingsFrom } from '../../src/server/environment.ts'
import { DEFAULT_LIMITS } from '../../src/server/limits.ts'
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

/** The parts of a Deployment that the tests look at. */
interface Deployment {
  readonly apiVersion: string
  readonly kind: string
  readonly spec: {
    readonly replicas: number
    readonly strategy: { readonly rollingUpdate: { readonly maxUnavailable: number; readonly maxSurge: number } }
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: { readonly terminationGracePeriodSeconds: number; readonly containers: readonly [Container] }
    }
  }
}

interface Container {
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly readinessProbe: Probe & { readonly httpGet: { readonly path: string; readonly port: string } }
  readonly livenessProbe: Probe & { readonly tcpSocket: { readonly port: string } }
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
}

interface Probe {
  readonly periodSeconds: number
  readonly failureThreshold?: number
}

interface Service {
  readonly apiVersion: string
  readonly kind: string
  readonly spec: {
    readonly selector: Readonly<Record<string, string>>
    readonly ports: readonly { readonly port: number; readonly targetPort: string }[]
  }
}

describe('kubernetes.yaml', () => {
  const documents = parseAllDocuments(example('kubernetes.yaml'), { strict: true, version: '1.1' })
  // What Kubernetes would be given; the tests fail where it is not so.
  const [deployment, service] = documents.map((document) => document.toJS() as unknown) as [Deployment, Service]
  const { template, selector, strategy, replicas } = deployment.spec
  const { terminationGracePeriodSeconds: grace, containers } = template.spec
  const [container] = containers
  const variables = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  const { settings } = settingsFrom(variables)

  it('is YAML of a Deployment and a Service that belong together', () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toStrictEqual([])
    expect(documents).toHaveLength(2)
    expect([deployment.apiVersion, deployment.kind]).toStrictEqual(['apps/v1', 'Deployment'])
    expect([service.apiVersion, service.kind]).toStrictEqual(['v1', 'Service'])
    expect(template.metadata.labels).toMatchObject(selector.matchLabels)
    expect(template.metadata.labels).toMatchObject(service.spec.selector)
    const ports = container.ports.map(({ name }) => name)
    for (const { targetPort } of service.spec.ports) expect(ports).toContain(targetPort)
  })

  it('sets variables that there are, to values that the server starts with', async () => {
    expect(Object.keys(variables).length).toBeGreaterThan(4)
    // A variable is text: Kubernetes refuses 1 and true.
    expect(Object.values(variables).filter((value) => typeof value !== 'string')).toStrictEqual([])
    expect(settings).toMatchObject({ health: '/healthz', gracefulTimeout: 25 })
    expect(settings.bind).toStrictEqual(container.ports.map(({ containerPort }) => `:${containerPort}`))
    const { command, args } = container
    expect(command).toStrictEqual(['node', 'node_modules/proxyfix/dist/cli/main.js', 'serve'])
    expect(await run(['serve', '--check-config', ...args], folder, variables)).toMatchObject({ code: 0 })
  })

  it('leaves time for preStop and for what is in flight before the pod is killed', () => {
    const [sleep, pause] = container.lifecycle.preStop.exec.command
    expect(sleep).toBe('sleep')
    expect(grace).toBeGreaterThan(Number(pause) + (settings.shutdownDelay ?? 0) + (settings.gracefulTimeout ?? 30))
    // Nothing is refused before all have heard that the pod goes: no pod is missed meanwhile.
    expect(strategy.rollingUpdate).toStrictEqual({ maxUnavailable: 0, maxSurge: 1 })
    expect(replicas).toBeGreaterThan(1)
    const { periodSeconds, failureThreshold = 3 } = container.readinessProbe
    expect(Number(pause)).toBeGreaterThan(periodSeconds * failureThreshold * 2)
  })

  it('probes the path that the server answers, and nothing of the app to find out whether it lives', () => {
    const ports = container.ports.map(({ name }) => name)
    expect(container.readinessProbe.httpGet.path).toBe(settings.health)
    expect(ports).toContain(container.readinessProbe.httpGet.port)
    expect(ports).toContain(container.livenessProbe.tcpSocket.port)
  })
})

/** Seconds of `2s` and `500ms`. */
function seconds(text = ''): number {
  const [, number, unit] = /^(\d+)(ms|s)$/.exec(text) ?? []
  return unit === 'ms' ? Number(number) / 1000 : Number(number)
}

describe('the configurations of HAProxy and nginx', () => {
  const [haproxy, nginxConf] = [example('haproxy.cfg'), example('nginx.conf')]
  const kept = DEFAULT_LIMITS.keepAliveTimeout / 1000

  it('keep idle connections shorter than the server does', () => {
    const [, ofNginx] = /keepalive_timeout (\S+);/.exec(nginxConf) ?? []
    const [, ofHaproxy] = /timeout http-keep-alive (\S+)/.exec(haproxy) ?? []
    for (const time of [ofNginx, ofHaproxy]) {
      expect(seconds(time)).toBeGreaterThan(0)
      expect(seconds(time)).toBeLessThan(kept)
    }
  })

  it('let HAProxy notice that an instance goes while it still serves', () => {
    const [, delay] = /--shutdown-delay (\d+)/.exec(haproxy) ?? []
    const [, interval, falls] = /check inter (\S+) fall (\d+)/.exec(haproxy) ?? []
    const [, patience] = /timeout check (\S+)/.exec(haproxy) ?? []
    expect(seconds(interval) * Number(falls) + seconds(patience)).toBeLessThan(Number(delay))
    expect(/--health (\S+)/.exec(haproxy)?.[1]).toBe(/uri (\S+)/.exec(haproxy)?.[1])
  })

  it.each([
    ['haproxy.cfg', haproxy],
    ['nginx.conf', nginxConf],
  ])('begin with a command that can be run (%s)', async (_, text) => {
    const [, command = ''] = /proxyfix (serve .*)$/m.exec(text) ?? []
    const args = command.replace(/-b \S+/, '-b 127.0.0.1:0').split(' ')
    expect(await run([...args, '--check-config'], folder)).toMatchObject({ code: 0 })
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
