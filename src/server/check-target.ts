/** Could an address be listened on, as far as that can be seen without doing it? A port that is in use may be free later. */

import { existsSync, fstatSync, lstatSync, statSync } from 'node:fs'
import type { Server } from 'node:net'
import { dirname } from 'node:path'
import { ProxyFixError } from '../trust/error.ts'
import type { Bind } from './bind.ts'
import { systemdFds } from './systemd.ts'
import { IS_FOLDER, NO_SOCKET } from './unix-socket.ts'

/** @throws ProxyFixError `ERR_PROXYFIX_OPTION` or `ERR_PROXYFIX_BIND`, saying why it could not. */
export function checkTarget(target: Bind | Server): void {
  if ('on' in target) return
  if ('systemd' in target) for (const fd of systemdFds(target.name)) checkSocket(fd)
  if ('fd' in target) checkSocket(target.fd)
  if ('path' in target) checkPath(target.path)
}

/** @throws ProxyFixError `ERR_PROXYFIX_BIND`: of a file that is none the system says less when it is listened on. */
export function checkSocket(fd: number): void {
  let isSocket: boolean
  try {
    isSocket = fstatSync(fd).isSocket()
  } catch {
    return refuse(`fd:${fd}`, 'no such file descriptor is open')
  }
  if (!isSocket) refuse(`fd:${fd}`, 'the file descriptor is no socket')
}

function checkPath(path: string): void {
  const folder = dirname(path)
  if (!existsSync(folder)) refuse(`unix:${path}`, 'the folder does not exist')
  if (!statSync(folder).isDirectory()) refuse(`unix:${path}`, 'the path leads through something that is no folder')
  const found = lstatSync(path, { throwIfNoEntry: false }) // no link is followed, as in takePath
  if (found?.isDirectory() === true) refuse(`unix:${path}`, IS_FOLDER)
  if (found?.isSocket() === false) refuse(`unix:${path}`, NO_SOCKET)
}

function refuse(name: string, reason: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_BIND', `Cannot listen on ${name}: ${reason}.`)
}
