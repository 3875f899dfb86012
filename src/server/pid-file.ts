/** Which process is it? A file says so while it runs, for scripts that signal it. */

import { readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { ProxyFixError, show } from '../trust/error.ts'
import { checkWritable } from './writable.ts'

/**
 * Whoever has it now may have gone by then, and is no reason.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when it cannot be written, or `ERR_PROXYFIX_BIND` when it holds something
 * else than the number of a process.
 */
export function checkPidFile(path: string): void {
  checkFile(path)
  ownerOf(path)
}

/**
 * Writes the number of this process, and removes the file at its end.
 * @throws ProxyFixError as `checkPidFile`, and `ERR_PROXYFIX_BIND` when another process that runs has the file.
 */
export function writePidFile(path: string): void {
  checkFile(path)
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
    if (isOurs(path)) unlinkSync(path)
  })
}

/** Reading a pipe would wait for somebody who writes to it, and a device has no number to keep. */
function checkFile(path: string): void {
  checkWritable('pid file', path)
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== false) return
  throw new ProxyFixError(
    'ERR_PROXYFIX_OPTION',
    `The pid file ${show(path)} cannot be written: it is no regular file; give another one.`,
  )
}

/** The process that the file names; none where there is no file, or an empty one. */
function ownerOf(path: string): number | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined // the usual case
    return fail(`The pid file ${show(path)} cannot be read: ${(error as Error).message}.`)
  }
  if (text.trim() === '') return undefined
  if (/^\d{1,9}\s*$/.test(text)) return Number(text)
  fail(`The pid file ${show(path)} holds something else than the number of a process: remove it, or give another file.`)
}

/** Whether nobody has put something else there. */
function isOurs(path: string): boolean {
  try {
    return statSync(path).isFile() && readFileSync(path, 'utf8') === `${process.pid}\n`
  } catch {
    return false
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
