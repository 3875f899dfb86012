/**
 * Where do the lines go? To a file or to standard output, those of one turn of the event loop at once. Several processes
 * may share the file: each write appends whole lines.
 *
 * What is waiting is written before the process exits. A disk that is full must not stop the answers: the lines are lost,
 * and that is told once.
 */

import { closeSync, openSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { ProxyFixError } from '../trust/error.ts'
import { checkWritable } from './writable.ts'

/** Written before the turn is over, so that a burst does not fill the memory. */
const MAX_WAITING = 64 * 1024

/** Not for everybody's eyes: it tells who asked for what. */
const MODE = 0o640

export class LineOutput {
  readonly #path: string | undefined
  #descriptor: number | undefined
  #waiting = ''
  #isScheduled = false
  #hasFailed = false
  readonly #onExit = (): void => this.flush()
  readonly #onError = (error: Error): void => this.#tell(error)

  /** @throws ProxyFixError `ERR_PROXYFIX_OPTION` when the file cannot be opened. */
  constructor(to: string, cwd: string) {
    if (to === '-') {
      process.stdout.on('error', this.#onError) // its reader may have gone
    } else {
      this.#path = resolve(cwd, to)
      checkWritable('access log', to, cwd)
      try {
        this.#descriptor = openSync(this.#path, 'a', MODE)
      } catch (error) {
        throw new ProxyFixError('ERR_PROXYFIX_OPTION', `The access log ${to} cannot be opened: ${reasonOf(error)}.`, {
          cause: error,
        })
      }
    }
    process.on('exit', this.#onExit)
  }

  /** Takes a line with its end. */
  write(line: string): void {
    this.#waiting += line
    if (this.#waiting.length > MAX_WAITING) return this.flush()
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.flush()
    })
  }

  flush(): void {
    const lines = this.#waiting
    if (lines === '') return
    this.#waiting = ''
    if (this.#path === undefined) process.stdout.write(lines)
    else if (this.#descriptor !== undefined) this.#append(this.#descriptor, lines)
  }

  #append(descriptor: number, lines: string): void {
    const bytes = Buffer.from(lines)
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at)
    } catch (error) {
      this.#tell(error)
    }
  }

  reopen(): void {
    if (this.#path === undefined) return
    this.flush()
    try {
      const next = openSync(this.#path, 'a', MODE)
      if (this.#descriptor !== undefined) closeSync(this.#descriptor)
      this.#descriptor = next
      this.#hasFailed = false
    } catch (error) {
      console.error(
        `The access log ${this.#path} cannot be opened again, and goes on in the old file: ${reasonOf(error)}.`,
      )
    }
  }

  close(): void {
    this.flush()
    process.off('exit', this.#onExit)
    process.stdout.off('error', this.#onError)
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #tell(error: unknown): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    console.error(
      `The access log ${this.#path ?? 'on standard output'} cannot be written, and lines are lost: ${reasonOf(error)}.`,
    )
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  EACCES: 'this user may not write there',
  EISDIR: 'it is a folder',
  ENOSPC: 'the disk is full',
  EPIPE: 'nobody reads it any more',
}

function reasonOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException // as node:fs throws them
  return REASONS[code] ?? message
}
