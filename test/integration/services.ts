/** A real PostgreSQL and a real Redis: in the foreground, in temporary folders of their own, on free ports of loopback. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, chmodSync, chownSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable } from 'node:stream'

/** A service that runs until it is stopped. */
export interface Service {
  readonly port: number
  stop(): Promise<void>
}

/** Debian keeps the programs of PostgreSQL in a folder for each version. */
const POSTGRES_FOLDERS = versionsIn('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`)

/** The programs, if this machine has them. */
export const postgresProgram: string | undefined = find('postgres', POSTGRES_FOLDERS)
export const redisProgram: string | undefined = find('redis-server', ['/usr/bin'])

/** Starts a PostgreSQL with the user `postgres`, who needs no password. */
export async function startPostgres(): Promise<Service> {
  const owner = whoRunsPostgres()
  const folder = mkdtempSync(join(tmpdir(), 'proxyfix-postgres-'))
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid)
  chmodSync(folder, 0o700)
  const data = join(folder, 'data')
  const initdb = find('initdb', POSTGRES_FOLDERS)!
  execFileSync(initdb, ['--pgdata', data, '--username=postgres', '--auth=trust', '--no-sync'], {
    ...owner,
    cwd: folder,
    stdio: 'ignore',
  })
  const port = await freePort()
  const args = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', folder, '-c', 'fsync=off']
  const child = spawn(postgresProgram!, args, { ...owner, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  return await running(child, child.stderr, /ready to accept connections/, { port, folder, signal: 'SIGINT' })
}

/** Starts a Redis that keeps nothing on disk. */
export async function startRedis(): Promise<Service> {
  const folder = mkdtempSync(join(tmpdir(), 'proxyfix-redis-'))
  const port = await freePort()
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder]
  const child = spawn(redisProgram!, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  return await running(child, child.stdout, /Ready to accept connections/, { port, folder, signal: 'SIGTERM' })
}

async function running(
  child: ChildProcess,
  output: Readable,
  ready: RegExp,
  { port, folder, signal }: { port: number; folder: string; signal: NodeJS.Signals },
): Promise<Service> {
  const ended = once(child, 'close')
  const stop = async (): Promise<void> => {
    child.kill(signal)
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  let said = ''
  await new Promise<void>((resolve, reject) => {
    output.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (ready.test(said)) resolve()
    })
    void ended.then(() => reject(new Error(`It ended before it was ready:\n${said}`)))
  }).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return { port, stop }
}

/** PostgreSQL refuses to run as root, for whom it is given to nobody in particular. */
function whoRunsPostgres(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // as it does not listen on a pipe
  server.close()
  await once(server, 'close')
  return port
}

function versionsIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted((a, b) => Number(b) - Number(a))
  } catch {
    return []
  }
}

function find(name: string, folders: readonly string[]): string | undefined {
  const path = (process.env['PATH'] ?? '').split(delimiter)
  return [...folders, ...path]
    .map((folder) => join(folder, name))
    .find((program) => {
      try {
        accessSync(program, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
