/**
 * Real proxies that send the PROXY protocol: each in the foreground, in a temporary folder of its own, on free ports,
 * with a configuration of test/fixtures as an operator would write it.
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Certificate } from './certificate.ts'
import { root } from './paths.ts'

/** Where they listen. Nobody else does, so that no port is taken between being found free and being used. */
const ADDRESS = '127.0.2.1'

export type SenderName = 'haproxy' | 'nginx' | 'hitch' | 'stunnel'

interface Sender {
  /** In test/fixtures. */
  readonly file: string
  readonly program: string | undefined
  /** How its configuration says where to listen. */
  readonly listens: readonly [pattern: RegExp, written: (port: number) => string]
  readonly args: (file: string) => readonly string[]
  /** What a test needs around the configuration. */
  readonly around?: (configuration: string) => string
}

const isRoot = process.getuid?.() === 0
const nginx = programNamed('nginx')

export const SENDERS: Readonly<Record<SenderName, Sender>> = {
  haproxy: {
    file: 'haproxy/proxy-protocol.cfg',
    program: programNamed('haproxy'),
    listens: [/bind :(\d+)/g, (port) => `bind ${ADDRESS}:${port}`],
    args: (file) => ['-db', '-q', '-f', file],
  },
  nginx: {
    file: 'nginx/stream-proxy-protocol.conf',
    program: streamModule() === undefined ? undefined : nginx,
    listens: [/listen (\d+);/g, (port) => `listen ${ADDRESS}:${port};`],
    args: (file) => ['-c', file, '-e', 'stderr', '-g', 'daemon off; pid nginx.pid;'],
    around: (configuration) =>
      `${streamModule()}${isRoot ? 'user root;' : ''} worker_processes 1; events { } ${configuration}`,
  },
  hitch: {
    file: 'hitch/hitch.conf',
    program: programNamed('hitch'),
    listens: [/"\[\*\]:(\d+)"/g, (port) => `"[${ADDRESS}]:${port}"`],
    args: (file) => [`--config=${file}`],
    around: (configuration) => `${configuration}${isRoot ? 'user = "nobody"\n' : ''}`, // it refuses to stay root
  },
  stunnel: {
    file: 'stunnel/stunnel.conf',
    program: programNamed('stunnel4') ?? programNamed('stunnel'),
    listens: [/accept = (\d+)/g, (port) => `accept = ${ADDRESS}:${port}`],
    args: (file) => [file],
  },
}

export interface RunningSender {
  /** Where it listens instead of a port that its configuration names, as in `127.0.2.1:40001`. */
  at(port: number): string
  stop(): Promise<void>
}

/** Where the apps are that the configurations call 127.0.0.1:8000 and 127.0.0.1:8443. */
export interface Apps {
  readonly plain: number
  readonly tls: number
}

/** Starts a proxy, and waits until it listens on all its ports. */
export async function startSender(
  name: SenderName,
  apps: Apps,
  server: Certificate,
  client: Certificate,
): Promise<RunningSender> {
  const { file, program, listens, args, around = String } = SENDERS[name]
  const folder = mkdtempSync(join(tmpdir(), `proxyfix-${name}-`))
  writeFileSync(join(folder, 'server.pem'), server.key + server.certificate)
  writeFileSync(join(folder, 'client.pem'), client.certificate)

  const [pattern, written] = listens
  const text = readFileSync(`${root}/test/fixtures/${file}`, 'utf8')
  const named = [...text.matchAll(pattern)].map(([, port]) => Number(port))
  const free = await freePorts(named.length)
  const ports = new Map(named.map((port, index) => [port, free[index]!]))
  const configuration = text
    .replace(pattern, (_, port: string) => written(ports.get(Number(port))!))
    .replaceAll(/(server|client)\.pem/g, (pem) => join(folder, pem))
    .replaceAll(':8000', `:${apps.plain}`)
    .replaceAll(':8443', `:${apps.tls}`)
  const configured = join(folder, 'configuration')
  writeFileSync(configured, around(configuration))

  const child = spawn(program ?? name, args(configured), { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (line: string) => (said += line))
  let hasExited = false
  const exited = once(child, 'exit').then(() => (hasExited = true))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await exited
    rmSync(folder, { recursive: true })
  }
  for (const port of free) {
    while (!(await accepts(port))) {
      if (hasExited) {
        await stop()
        throw new Error(`${name} would not start: ${said}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  return { at: (port) => `${ADDRESS}:${ports.get(port)}`, stop }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, ADDRESS)
  return await new Promise((resolve) => {
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
  }).then((accepted) => {
    socket.destroy()
    return accepted as boolean
  })
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, ADDRESS))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port) // as none listens on a pipe
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** What makes nginx know `stream`: nothing where it was built with it, a line where it is a module that is there. */
function streamModule(): string | undefined {
  if (nginx === undefined) return undefined
  const built = spawnSync(nginx, ['-V'], { encoding: 'utf8' }).stderr
  if (/--with-stream(?=\s|$)/.test(built)) return ''
  const folder = /--modules-path=(\S+)/.exec(built)?.[1]
  const file = `${folder}/ngx_stream_module.so`
  return folder !== undefined && isReadable(file, constants.R_OK) ? `load_module ${file};` : undefined
}

/** Where a program is, `undefined` when it is not on this machine. */
export function programNamed(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'] // not in everybody's PATH
  return folders.map((folder) => join(folder, name)).find((file) => isReadable(file, constants.X_OK))
}

function isReadable(file: string, mode: number): boolean {
  try {
    accessSync(file, mode)
    return true
  } catch {
    return false
  }
}
