/**
 * Is the path of a unix socket free? A file that is no socket is somebody's data, and a socket that is answered is
 * somebody's server: both stay. Only a socket that nobody listens on any more is removed.
 */

import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'

/**
 * Removes a stale socket.
 * @returns A clause that says why the path cannot be taken, if it cannot.
 */
export async function freeSocketPath(path: string): Promise<string | undefined> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return undefined
  if (!found.isSocket()) return 'a file is there that is no socket; remove it yourself, or choose another path'
  const code = await codeOfConnecting(path)
  if (code === 'ECONNREFUSED') {
    unlinkSync(path)
    return undefined
  }
  if (code === 'ENOENT') return undefined // whoever had it has just removed it
  if (code === undefined || code === 'EAGAIN') return 'another program answers there; stop it, or choose another path'
  return `a socket is there, and whether anybody answers cannot be found out (${code})`
}

/** @returns What went wrong, or nothing when somebody answers. */
async function codeOfConnecting(path: string): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

/** Which file is at a path, so that it can be known again. */
export function fileAt(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}
