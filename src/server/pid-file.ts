/** Which process is it? A file says so while it runs, for scripts that signal it. */

import { readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { ProxyFixError, show } from '../trust/error.ts'

/**
 * Writes the number of this process, and removes the file at its end.
 * @throws ProxyFixError `ERR_PROXYFIX_BIND` when another process that runs has the file, or it cannot be written.
 */
export function writePidFile(path: string): void {
  const owner = ownerOf(path)
  if (owner !== undefined && owner !== process.pid && isAlive(owner)) {
    fail(`The pid file ${show(path)} belongs to process ${owner}, which runs: stop it, or give another file.`)
  }
  try {
    writeFileSync(path, `${process.pid}\n`)
  } catch (error) {
    fail(`The pid file ${show(path)} cannot be written: ${(error as Error).message}.`)
  }
  process.once('exit', () => {
    if (ownerOf(path) === process.pid) unlinkSync(path)
  })
}

function ownerOf(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined
  } catch {
    return undefined // there is none, which is the usual case
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' // it is there, and somebody else's
  }
}

function fail(message: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_BIND', message)
}
