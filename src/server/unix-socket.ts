/**
 * Whose is the path of a unix socket? A file that is no socket is somebody's data, and a socket that is answered is
 * somebody's server: both stay. Only a socket that nobody listens on any more is replaced, and only our own is removed at
 * the end.
 *
 * A server listens under a name that nobody knows, and its socket gets the path by a link, which is refused where
 * something is: of two that start at once one has it, and the other is told so. What the system removes when a server is
 * closed is that first name, which has gone by then.
 */

import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { resolve } from 'node:path'
import { node } from './node.ts'

/** What is said of a path where something else is. */
export const IS_FOLDER = 'it is a folder; name a file in it, or choose another path'
export const NO_SOCKET = 'a file is there that is no socket; remove it yourself, or choose another path'

/** How many bytes longer than the path a name is that nobody knows. */
export const SECRET_LENGTH = 7

/** A name beside the path that nobody knows. */
export function secretName(path: string): string {
  return `${path}.${node.crypto.randomBytes((SECRET_LENGTH - 1) / 2).toString('hex')}`
}

/**
 * Gives a socket that is listened on its path, in place of one that nobody listens on any more.
 * @param name What it is called so far.
 * @returns A clause that says why it cannot have the path, if it cannot.
 */
export async function takePath(path: string, name: string): Promise<string | undefined> {
  while (!isLinked(name, path)) {
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (stats?.isDirectory() === true) return IS_FOLDER
    if (stats?.isSocket() === false) return NO_SOCKET
    const found = fileAt(path)
    const code = await codeOfConnecting(path)
    if (code === undefined || code === 'EAGAIN') return 'another program answers there; stop it, or choose another path'
    if (code === 'ENOENT') continue // whoever had it has just removed it
    if (code !== 'ECONNREFUSED') return `a socket is there, and whether anybody answers cannot be found out (${code})`
    if (!isRemoved(path, found)) return 'nobody answers on the socket that is there, but this user may not remove it'
  }
  unlinkSync(name)
  return undefined
}

function isLinked(name: string, path: string): boolean {
  try {
    linkSync(name, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** @returns What went wrong, or nothing when somebody answers. */
async function codeOfConnecting(path: string): Promise<string | undefined> {
  return await new Promise((settle) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      settle(undefined)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message))
  })
}

/** Our own sockets, by what removes them. */
const ours = new Set<() => void>()

function removeOurs(): void {
  for (const remove of ours) remove()
}

/**
 * Sees to it that a socket's path goes at the end of the process at the latest.
 * @returns What removes it before.
 */
export function goesAtExit(path: string): () => void {
  const absolute = resolve(path)
  const socket = fileAt(absolute)
  const remove = (): void => {
    ours.delete(remove)
    if (ours.size === 0) process.off('exit', removeOurs)
    isRemoved(absolute, socket) // or it stays, where it may not be removed any more
  }
  if (ours.size === 0) process.on('exit', removeOurs)
  ours.add(remove)
  return remove
}

/** Removes a file from a path. What has come there in its place stays; what comes in that very moment is put back. */
function isRemoved(path: string, file: string | undefined): boolean {
  if (fileAt(path) !== file) return true
  const aside = secretName(path)
  try {
    renameSync(path, aside)
    if (fileAt(aside) === file) unlinkSync(aside)
    else renameSync(aside, path)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
  return true
}

/** Which file is at a path, so that it can be known again, even when its number is given to another one. */
function fileAt(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true })
  return found === undefined ? undefined : `${found.dev}:${found.ino}:${found.mtimeNs}`
}
