/**
 * Is the path of a unix socket free? A file that is no socket is somebody's data, and a socket that is answered is
 * somebody's server: both stay. Only a socket that nobody listens on any more is removed. And whose is it at the end?
 */

import { lstatSync, renameSync, unlinkSync } from 'node:fs'
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

/**
 * Sees to it that the path of a socket goes with its server, or at the latest with the process, and nothing else does:
 * by then the path may be another server's.
 * @returns What closes the server by the function given.
 */
export function goesWithServer(path: string): (close: () => void) => void {
  const ours = fileAt(path)
  const unlink = (): void => {
    if (ours === fileAt(path)) unlinkSync(path)
  }
  process.once('exit', unlink)
  return (close) => {
    process.off('exit', unlink)
    const found = fileAt(path)
    if (found === undefined || found === ours) return close()
    // Node removes the path whosever it is.
    const aside = `${path}.${process.pid}`
    renameSync(path, aside)
    close()
    renameSync(aside, path)
  }
}

/** Which file is at a path, so that it can be known again. */
function fileAt(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}
