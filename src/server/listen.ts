/**
 * How are addresses listened on? Every bind becomes a listening socket that knows nothing of HTTP: whoever asked is
 * handed the connections. So one process can listen while others serve, and a bind, an inherited socket and a server
 * that somebody else made are all the same. Either every address is listened on or none.
 */

import { existsSync } from 'node:fs'
import { type AddressInfo, createServer, isIPv4, isIPv6, Server, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { dirname, isAbsolute, join, relative, resolve as resolvePath } from 'node:path'
import { ProxyFixError } from '../trust/error.ts'
import type { Bind, FdBind, TcpBind, UnixBind } from './bind.ts'
import { checkSocket } from './check-target.ts'
import { systemdFds } from './systemd.ts'
import { goesAtExit, secretName, takePath } from './unix-socket.ts'

/** An address that is listened on. */
export interface ServerAddress {
  /** The IP address, or the path of a unix socket. */
  readonly address: string
  readonly family: 'IPv4' | 'IPv6' | 'unix'
  /** The port that it got; a unix socket has none. */
  readonly port?: number
  /** Where it can be reached from this machine, as in `http://127.0.0.1:8000` or `unix:run/app.sock`. */
  readonly url: string
}

/** What a connection is to be: the bind it came by. */
export interface Listener<B> {
  readonly bind: B
  readonly address: ServerAddress
  /** Which interfaces are listened on, where it is not just one; a clause to follow the address. */
  readonly everywhere: 'every interface' | 'every IPv4 interface' | 'every IPv6 interface' | undefined
  /** Takes no more connections; those that were handed over are not touched, and those that wait are reset by the system. */
  close(): void
  /** Lets those in that wait, and closes then, after so many milliseconds at the latest. */
  closeWhenEmpty(timeout: number): Promise<void>
}

/** How many connections are let in at most by a listener that is about to close: as many as may wait. */
const MOST_AT_THE_END = 2048
/** How long at most, in milliseconds: under load there is always one more, and each takes what the app takes meanwhile. */
const LONGEST_END = 1000

/** Where to listen: a bind, or a server of `node:net` that listens already or soon will. */
export type Target = Bind | Server

export interface ListenOptions {
  /** How many connections may wait to be accepted, where the bind does not say. @default 2048 */
  readonly backlog?: number | undefined
  /** Whether connections are handed over unread, so that another process can have them. */
  readonly paused?: boolean
  readonly isTls: (bind: Bind | undefined) => boolean
  /** Where paths begin, which may not be the working directory any more. @default the working directory */
  readonly cwd?: string
}

/** An address that this server listens on already. */
interface Taken {
  readonly name: string
  readonly address: ServerAddress
  readonly isIPv6Only: boolean
}

/** One address may stand for several sockets, as `systemd` does. */
type Prepared = TcpBind | UnixBind | FdBind | Server

/**
 * Listens on every address, or on none.
 * @param onConnection Is given each connection, and the place of its address in the list.
 * @throws ProxyFixError `ERR_PROXYFIX_BIND` when one is taken, not permitted or not of this machine.
 */
export async function listenOnAll(
  targets: readonly Target[],
  options: ListenOptions,
  onConnection: (socket: Socket, index: number) => void,
): Promise<Listener<Bind | undefined>[]> {
  const listeners: Listener<Bind | undefined>[] = []
  const taken: Taken[] = []
  try {
    for (const [index, target] of targets.entries()) {
      for (const one of expanded(target, options.cwd)) {
        const bind = target instanceof Server ? undefined : target
        const isTls = options.isTls(bind)
        const server = one instanceof Server ? await adopt(one) : await listenOn(one, targets, taken, options)
        const isOurs = !(one instanceof Server)
        let accepted = 0
        const accept = (socket: Socket): void => {
          accepted++
          if (!isOurs) asForHttp(socket)
          onConnection(socket, index)
        }
        server.on('connection', accept)
        // One connection less (too many open files) is no reason to end. What becomes of others' servers, they say.
        if (isOurs) server.on('error', onAcceptError)
        const path = 'path' in one ? one.path : undefined
        const removePath = path === undefined ? undefined : goesAtExit(path)
        const close = (): void => {
          server.off('connection', accept)
          removePath?.()
          if (server.listening) server.close()
        }
        const closeWhenEmpty = async (timeout: number): Promise<void> => {
          const end = performance.now() + Math.min(timeout, LONGEST_END)
          const most = accepted + MOST_AT_THE_END
          await nextTurn() // the one that is under way may be past the accepting
          // Newer versions of Node accept one connection in a turn.
          while (performance.now() < end) {
            const before = accepted
            await nextTurn()
            if (accepted === before || accepted >= most) break
          }
          close()
        }
        const isIPv6Only = isIPv6Alone(one, targets)
        const place = placeOf(server, { isTls, path, isIPv6Only })
        listeners.push({ bind, ...place, close, closeWhenEmpty })
        const name = one instanceof Server ? place.address.url : nameOf(one)
        taken.push({ name, address: place.address, isIPv6Only })
      }
    }
  } catch (error) {
    for (const listener of listeners) listener.close()
    throw error
  }
  return listeners
}

/**
 * Closes all of them, each when it is empty.
 * @param timeout Milliseconds that there are for all that is to be finished.
 * @returns What is left of them.
 */
export async function closeAllWhenEmpty(
  listeners: readonly Pick<Listener<unknown>, 'closeWhenEmpty'>[],
  timeout: number,
): Promise<number> {
  const before = performance.now()
  await Promise.all(listeners.map((listener) => listener.closeWhenEmpty(timeout)))
  return Math.max(0, timeout - (performance.now() - before))
}

function onAcceptError({ message }: Error): void {
  console.error(`A connection could not be accepted: ${message}`)
}

/** A socket as a listening server of `node:http` makes it: clients that have ended their half are still answered. */
export function asForHttp(socket: Socket): void {
  socket.allowHalfOpen = true
  socket.setNoDelay(true)
}

function expanded(target: Target, cwd?: string): Prepared[] {
  if (target instanceof Server) return [target]
  if ('path' in target) return [{ ...target, path: pathFrom(cwd, target.path) }]
  if (!('systemd' in target)) return [target]
  const { backlog } = target
  return systemdFds(target.name).map((fd) => (backlog === undefined ? { fd } : { fd, backlog }))
}

/** The path from here, where an app has changed the working directory: the shorter one, as an address has little room. */
function pathFrom(cwd: string | undefined, path: string): string {
  if (cwd === undefined || cwd === process.cwd() || isAbsolute(path)) return path
  const absolute = join(cwd, path)
  const fromHere = relative(process.cwd(), absolute)
  return fromHere.length < absolute.length ? fromHere : absolute
}

/** In which a server that somebody else made must listen: longer than a name's address is looked up for. */
const ADOPTION_TIMEOUT = 20_000

/** A server that somebody else made; one that does not listen yet must be about to. */
async function adopt(server: Server): Promise<Server> {
  if (server.listening) return server
  const name = 'the server that was given'
  let stop = (): void => undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void => reject(bindError(name, error))
      const onNever = (): void => reject(refusal(name, 'it does not listen; call its listen() first'))
      const timer = setTimeout(onNever, ADOPTION_TIMEOUT)
      server.once('listening', resolve).once('error', onError).once('close', onNever)
      stop = () => {
        clearTimeout(timer)
        server.off('listening', resolve).off('error', onError).off('close', onNever)
      }
    })
  } finally {
    stop()
  }
  return server
}

async function listenOn(
  bind: Exclude<Prepared, Server>,
  all: readonly Target[],
  taken: readonly Taken[],
  { backlog = 2048, paused = false }: ListenOptions,
): Promise<Server> {
  const name = nameOf(bind)
  const twin = taken.find((one) => isSame(bind, one, all))
  const isTwice = `this server listens on ${twin?.name} already; leave out one of the two`
  const unix = 'path' in bind ? { ...bind, secret: secretName(bind.path) } : undefined
  const options = 'path' in bind ? { path: unix?.secret } : where(bind, all)
  if (twin !== undefined && unix !== undefined) throw refusal(name, isTwice)
  if ('fd' in bind) checkSocket(bind.fd)
  // The system would say that this user may not.
  if (unix !== undefined && !existsSync(dirname(unix.path))) throw refusal(name, REASONS['ENOENT']!)
  // As http.Server has them: it answers clients that have ended their half, and sends small answers at once.
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: paused })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      const listen = (): void =>
        void server.listen({ backlog: bind.backlog ?? backlog, exclusive: true, ...options }, () => {
          server.off('error', reject)
          resolve()
        })
      if (unix?.mode !== undefined) withUmask(0o777 & ~unix.mode, listen)
      else listen()
    })
    const obstacle = unix && (await takePath(unix.path, unix.secret))
    if (obstacle !== undefined) throw refusal(name, obstacle)
    return server
  } catch (error) {
    if (server.listening) server.close()
    if (error instanceof ProxyFixError) throw error
    const failure = error as NodeJS.ErrnoException // as node:net tells it
    if (twin !== undefined && failure.code === 'EADDRINUSE') throw refusal(name, isTwice, { cause: error })
    throw bindError(name, failure)
  }
}

/** Whether an address may be one that is listened on, or have a part in common with it: a name may be any. */
function isSame(bind: Exclude<Prepared, Server>, taken: Taken, all: readonly Target[]): boolean {
  const { address, family, port } = taken.address
  if ('path' in bind) return family === 'unix' && resolvePath(bind.path) === resolvePath(address)
  if (!('port' in bind) || bind.port !== port) return false
  const { host = '::' } = bind
  if (taken.name === nameOf(bind) || host === address) return true
  return includes(host, isIPv6Alone(bind, all), address) || includes(address, taken.isIPv6Only, host)
}

/** Whether an address stands for every one of another's family. */
function includes(address: string, isIPv6Only: boolean, other: string): boolean {
  if (address === '0.0.0.0') return !isIPv6(other)
  return address === '::' && !(isIPv6Only && isIPv4(other))
}

function where(bind: TcpBind | FdBind, all: readonly Target[]): object {
  if ('fd' in bind) return { fd: bind.fd }
  return { host: bind.host, port: bind.port, ipv6Only: isIPv6Alone(bind, all) }
}

function isIPv6Alone(target: Prepared, all: readonly Target[]): boolean {
  return 'port' in target && (target.ipv6Only ?? isPaired(target, all))
}

/** `[::]:80` beside `0.0.0.0:80` can only mean one for each family: with both on `[::]` the second would be in use. */
function isPaired({ host, port }: TcpBind, all: readonly Target[]): boolean {
  if (host !== '::' || port === 0) return false
  return all.some((other) => 'port' in other && other.port === port && /^\d+(\.\d+){3}$/.test(other.host ?? ''))
}

/** The socket is made before `listen` returns, and nobody can connect to it before it has its mode. */
function withUmask(mask: number, listen: () => void): void {
  const before = process.umask(mask)
  try {
    listen()
  } finally {
    process.umask(before)
  }
}

interface Listened {
  readonly isTls: boolean
  /** That of a unix socket, which its server knows by its first name alone. */
  readonly path: string | undefined
  readonly isIPv6Only: boolean
}

function placeOf(
  server: Server,
  { isTls, path, isIPv6Only }: Listened,
): Pick<Listener<unknown>, 'address' | 'everywhere'> {
  const found = path ?? (server.address() as AddressInfo | string) // as it listens
  if (typeof found === 'string') {
    return { address: { address: found, family: 'unix', url: `unix:${found}` }, everywhere: undefined }
  }
  const { address, family, port } = found
  const url = urlOf(found, isTls, isIPv6Only)
  return {
    address: { address, family: family as 'IPv4' | 'IPv6', port, url },
    everywhere: everywhere(address, isIPv6Only),
  }
}

/** Where an address can be reached from this machine. */
function urlOf({ address, port }: AddressInfo, isTls: boolean, isIPv6Only: boolean): string {
  const host = isIPv6Only && address === '::' ? '::1' : isEveryInterface(address) ? 'localhost' : address
  return `${isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function isEveryInterface(address: string): boolean {
  return address === '::' || address === '0.0.0.0'
}

/** Where a connection may come from besides this machine. */
function everywhere(address: string, isIPv6Only: boolean): Listener<unknown>['everywhere'] {
  if (address === '0.0.0.0') return 'every IPv4 interface'
  if (address !== '::') return undefined
  return isIPv6Only ? 'every IPv6 interface' : 'every interface'
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use; stop the program that has it, or choose another',
  EACCES: 'this user may not use that port; choose one above 1023',
  EADDRNOTAVAIL: 'no interface of this machine has that address',
  ENOTFOUND: 'that name has no address',
  EAI_AGAIN: 'that name could not be looked up',
  EEXIST: 'this process has that socket in use already; give the net.Server that holds it, as in { bind: server }',
  EBADF: 'no such file descriptor is open',
  ENOTSOCK: 'the file descriptor is no socket',
  EINVAL: 'it is no socket that can be listened on',
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'the path leads through something that is no folder',
}

const REASONS_OF_PATHS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not create a file there',
}

function bindError(name: string, error: NodeJS.ErrnoException): ProxyFixError {
  const code = error.code ?? ''
  const reason = (name.startsWith('unix:') ? REASONS_OF_PATHS[code] : undefined) ?? REASONS[code] ?? error.message
  return refusal(name, reason, { cause: error })
}

function refusal(name: string, reason: string, options?: ErrorOptions): ProxyFixError {
  return new ProxyFixError('ERR_PROXYFIX_BIND', `Cannot listen on ${name}: ${reason}.`, options)
}

function nameOf(bind: Exclude<Prepared, Server>): string {
  if ('fd' in bind) return `fd:${bind.fd}`
  if ('path' in bind) return `unix:${bind.path}`
  const { host = '*', port } = bind
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
