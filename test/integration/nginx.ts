/** A real nginx in front of apps: in the foreground, in a temporary folder of its own, on free ports. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { selfSignedCertificate } from './certificate.ts'
import { root } from './paths.ts'

/** Where it listens. Nobody else does, so that no port is taken between being found free and being used. */
const ADDRESS = '127.0.1.1'

/** The program, if this machine has it. */
export const nginxProgram: string | undefined = [
  ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'nginx')),
  '/usr/sbin/nginx', // not in everybody's PATH
].find(isProgram)

/** A site: a configuration as people copy it, and the app that stands behind. */
export interface Site {
  /** A file in test/fixtures/nginx, written for port 80 in front of an app on port 8000. */
  readonly file: string
  /** Directives that its server has besides. */
  readonly also?: string
  /** Where the app listens, as in `http://127.0.0.1:8000`. */
  readonly app: string
}

/** The same site on two ports. */
export interface Served {
  readonly http: string
  readonly https: string
}

export interface RunningNginx<Name extends string> {
  readonly sites: Readonly<Record<Name, Served>>
  /** What the sites show over TLS, PEM. */
  readonly certificate: string
  stop(): Promise<void>
}

/** Starts one nginx for all these sites. */
export async function startNginx<Name extends string>(
  hostname: string,
  sites: Readonly<Record<Name, Site>>,
): Promise<RunningNginx<Name>> {
  const folder = mkdtempSync(join(tmpdir(), 'proxyfix-nginx-'))
  const { certificate, key } = selfSignedCertificate(hostname)
  writeFileSync(join(folder, 'certificate.pem'), certificate)
  writeFileSync(join(folder, 'key.pem'), key)
  mkdirSync(join(folder, 'temp'))

  const names = Object.keys(sites) as Name[]
  const ports = await freePorts(2 * names.length)
  const served = {} as Record<Name, Served> // filled here
  const servers = names.map((name, index) => {
    const [http, https] = [ports[2 * index]!, ports[2 * index + 1]!]
    served[name] = { http: `http://${ADDRESS}:${http}`, https: `https://${ADDRESS}:${https}` }
    return serverBlock(sites[name], `app_${index}`, http, https)
  })
  writeFileSync(join(folder, 'nginx.conf'), mainConfiguration(servers))

  const args = ['-p', `${folder}/`, '-c', 'nginx.conf', '-e', 'error.log', '-g', 'daemon off;']
  const child = spawn(nginxProgram ?? 'nginx', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  let hasExited = false
  const exited = once(child, 'exit').then(() => (hasExited = true))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await exited
    rmSync(folder, { recursive: true })
  }
  // It writes its pid once it has all its ports.
  while (!hasFile(join(folder, 'nginx.pid'))) {
    if (hasExited) {
      await stop()
      throw new Error(`nginx would not start: ${complaint}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return { sites: served, certificate, stop }
}

/** A configuration of test/fixtures/nginx, moved from the ports that it names to those that are free. */
function serverBlock({ file, also = '', app }: Site, upstream: string, http: number, https: number): string {
  return readFileSync(`${root}/test/fixtures/nginx/${file}`, 'utf8')
    .replace('listen 80;', `listen ${ADDRESS}:${http}; listen ${ADDRESS}:${https} ssl; ${also}`)
    .replace('127.0.0.1:8000', new URL(app).host)
    .replace('upstream app ', `upstream ${upstream} `)
    .replace('http://app;', `http://${upstream};`)
}

/** What a distribution's own nginx.conf says, with everything that is written kept in the folder. */
function mainConfiguration(servers: readonly string[]): string {
  return `
    ${process.getuid?.() === 0 ? 'user root;' : '' /* its workers must get into the folder */}
    worker_processes 1;
    pid nginx.pid;
    events { worker_connections 1024; }
    http {
      access_log off;
      client_body_temp_path temp/body;
      proxy_temp_path temp/proxy;
      fastcgi_temp_path temp/fastcgi;
      uwsgi_temp_path temp/uwsgi;
      scgi_temp_path temp/scgi;
      ssl_certificate certificate.pem;
      ssl_certificate_key key.pem;
      large_client_header_buffers 4 32k;
      ${servers.join('\n')}
    }`
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, ADDRESS))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port) // as none listens on a pipe
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function hasFile(file: string): boolean {
  try {
    return readFileSync(file, 'utf8') !== ''
  } catch {
    return false
  }
}
