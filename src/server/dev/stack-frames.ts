/**
 * Where was it thrown, and what stands there? Only lines of the program's own code files, below its folder, are shown:
 * an error's message may hold what a client sent, and a line in it that looks like one of a stack (`at x (/etc/passwd:1:1)`)
 * must not open a file.
 */

import { readFileSync, realpathSync } from 'node:fs'
import { extname, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A line of a stack that leads through the program's own code. */
export interface StackFrame {
  /** The file, from the program's folder on. */
  readonly file: string
  readonly line: number
  /** The function, where it has a name. */
  readonly caller: string | undefined
  /** The lines around, with the number of the first. */
  readonly excerpt: { readonly first: number; readonly lines: readonly string[] }
}

const CODE: ReadonlySet<string> = new Set(['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts', '.jsx', '.tsx'])

/** Lines before and after the one that is meant. */
const AROUND = 5

const MAX_FRAMES = 12

/** The program's own lines in the stack of an error, the innermost first. */
export function framesOf(error: Error, root: string): readonly StackFrame[] {
  const frames: StackFrame[] = []
  for (const text of stackLines(error)) {
    const frame = frames.length < MAX_FRAMES ? frameAt(text, root) : undefined
    if (frame !== undefined) frames.push(frame)
  }
  return frames
}

/** The lines after the message. A syntax error in CommonJS begins with its place, which Node has put before. */
function stackLines({ stack, message }: Error): readonly string[] {
  const text = typeof stack === 'string' ? stack : ''
  const [place = ''] = /^(?:file:\/\/)?\/[^\n]*:\d+(?=\n)/.exec(text) ?? []
  const at = message === '' ? 0 : text.indexOf(message)
  const after = at === -1 ? text : text.slice(at + message.length)
  return [place, ...after.split('\n').filter((line) => /^\s+at /.test(line))]
}

function frameAt(text: string, root: string): StackFrame | undefined {
  const [, caller, place = ''] = /^\s+at (?:async )?(?:(.*?) \()?([^()]*)\)?$/.exec(text) ?? [text, undefined, text]
  const [, location = '', number = ''] = /^(.*?):(\d+)(?::\d+)?$/.exec(place) ?? []
  const path = ownFile(location, root)
  const lines = path === undefined ? undefined : readLines(path)
  const line = Number(number)
  if (path === undefined || lines === undefined || line < 1 || line > lines.length) return undefined
  const first = Math.max(line - AROUND, 1)
  return {
    file: relative(root, path),
    line,
    caller,
    excerpt: { first, lines: lines.slice(first - 1, line + AROUND) },
  }
}

/** The real path of a code file below the folder, outside of packages and of what begins with a dot. */
function ownFile(location: string, root: string): string | undefined {
  if (!location.startsWith('file://') && !location.startsWith(sep)) return undefined
  try {
    const path = realpathSync(location.startsWith('file://') ? fileURLToPath(location) : location)
    const inside = relative(realpathSync(root), path).split(sep)
    const isForeign = inside.some((name) => name.startsWith('.') || name === 'node_modules')
    return isForeign || !CODE.has(extname(path)) ? undefined : path
  } catch {
    return undefined
  }
}

function readLines(path: string): readonly string[] | undefined {
  try {
    return readFileSync(path, 'utf8').split(/\r?\n/)
  } catch {
    return undefined
  }
}
