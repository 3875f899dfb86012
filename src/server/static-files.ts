/**
 * Which requests are answered by files? Those whose path is that of a file in a mounted folder; all others are the app's.
 *
 * A path that a client writes never leads out of the folder. It is decoded once; one with `..`, a backslash, a NUL or an
 * encoded slash in it names no file, nor does one with a name that begins with a dot (`.env`, `.git`). And where it leads
 * to is asked of the system, so that no symbolic link leads out either.
 */

import { constants, realpathSync, type Stats, statSync } from 'node:fs'
import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join, resolve, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fail, show } from '../trust/error.ts'
import { contentTypeOf } from './content-type.ts'
import { cutShort, isGone } from './last-answer.ts'
import type { NodeListener } from './node-listener.ts'

/** A folder, and the path that it is served under. */
export interface StaticMount {
  /** Without a slash at the end; empty for the root. */
  readonly path: string
  /** Absolute, without symbolic links. */
  readonly folder: string
}

/**
 * Reads a mount, as in `/assets=public`.
 * @param cwd Where a relative folder begins.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for another form, or a folder that does not exist.
 */
export function parseStaticMount(text: string, cwd: string = process.cwd()): StaticMount {
  const [, path, name] = /^(\/[^=?#%\s\\]*)=(.+)$/s.exec(text) ?? []
  if (path === undefined || name === undefined || /\/\/|\/\.\.?(?:\/|$)/.test(path)) {
    fail(`The option static must be a path and a folder, as in '/assets=public', not ${show(text)}.`)
  }
  const folder = resolve(cwd, name)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    fail(`The option static names the folder ${show(name)}, which there is not in ${cwd}.`)
  }
  return { path: path.replace(/\/$/, ''), folder: realpathSync(folder) }
}

/** Answers GET and HEAD by the files of the mounts, the longest path first, and hands everything else to the app. */
export function staticFiles(mounts: readonly StaticMount[], next: NodeListener): NodeListener {
  const ordered = mounts.toSorted((a, b) => b.path.length - a.path.length)
  return (req, res) => {
    const names = req.method === 'GET' || req.method === 'HEAD' ? candidates(ordered, req.url ?? '') : []
    return names.length === 0 ? next(req, res) : serveFirst(names, req, res, next)
  }
}

/** A file that a path may mean. */
interface Candidate {
  readonly folder: string
  readonly file: string
}

function candidates(mounts: readonly StaticMount[], target: string): readonly Candidate[] {
  const path = target.split('?', 1)[0]!
  return mounts.flatMap((mount) => {
    const names = path.startsWith(`${mount.path}/`) ? safeNames(path.slice(mount.path.length + 1)) : undefined
    return names === undefined ? [] : [{ folder: mount.folder, file: join(mount.folder, ...names) }]
  })
}

/** The names of folders and of the file that a path is made of; `undefined` where one is not to be looked up. */
function safeNames(path: string): readonly string[] | undefined {
  const segments = path.split('/')
  const names: string[] = []
  for (const [index, segment] of segments.entries()) {
    const name = decoded(segment)
    const isLast = index === segments.length - 1
    if (name === '' && isLast) names.push('index.html')
    else if (name === undefined || name === '' || name.startsWith('.') || /[/\\\0]/.test(name)) return undefined
    else names.push(name)
  }
  return names
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined // not UTF-8: no name of a file that we would have written
  }
}

async function serveFirst(
  names: readonly Candidate[],
  req: IncomingMessage,
  res: ServerResponse,
  next: NodeListener,
): Promise<unknown> {
  for (const candidate of names) {
    const handle = await openInside(candidate)
    if (handle === undefined) continue
    try {
      return await serveFile(handle, extname(candidate.file), req, res)
    } finally {
      await handle.close()
    }
  }
  return await next(req, res)
}

/** Opens a regular file, if it is one, in the folder, and can be read. */
async function openInside({ folder, file }: Candidate): Promise<FileHandle | undefined> {
  try {
    const path = await realpath(file)
    // Looked at before it is opened: a pipe would wait for somebody to write.
    if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep) || !(await stat(path)).isFile()) return undefined
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (NO_FILE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error // too many open files, a broken disk: the app could not answer that either
  }
}

/** What the system says of a path that leads to nothing that can be read. */
const NO_FILE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG', 'EISDIR'])

async function serveFile(
  handle: FileHandle,
  extension: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const stats = await handle.stat()
  const etag = `"${stats.size.toString(16)}-${Math.round(stats.mtimeMs * 1000).toString(16)}"`
  const common = { etag, 'last-modified': stats.mtime.toUTCString(), 'cache-control': 'public, max-age=0' }
  if (isUnchanged(req, etag, stats)) return void res.writeHead(304, common).end()

  const range = rangeOf(req, etag, stats)
  if (range === 'unsatisfiable') {
    return void res.writeHead(416, { 'content-range': `bytes */${stats.size}`, 'content-length': 0 }).end()
  }
  const { start, end } = range ?? { start: 0, end: stats.size - 1 }
  const length = end - start + 1
  res.writeHead(range === undefined ? 200 : 206, {
    ...common,
    'accept-ranges': 'bytes',
    'content-length': length,
    'content-type': contentTypeOf(extension),
    'x-content-type-options': 'nosniff',
    ...(range !== undefined && { 'content-range': `bytes ${start}-${end}/${stats.size}` }),
  })
  if (req.method === 'HEAD' || length === 0) return void res.end()
  await send(handle, start, end, res)
}

async function send(handle: FileHandle, start: number, end: number, res: ServerResponse): Promise<void> {
  const source = handle.createReadStream({ start, end, autoClose: false })
  try {
    await pipeline(source, res, { end: false })
  } catch (error) {
    if (isGone(res)) return
    throw error
  }
  if (source.bytesRead === end - start + 1) res.end()
  else cutShort(res) // it has become shorter, and the client waits for what was promised
}

/** RFC 9110 §13.2.2: by its tag if one is given, else by its date. */
function isUnchanged({ headers }: IncomingMessage, etag: string, { mtimeMs }: Stats): boolean {
  const tags = headers['if-none-match']
  if (tags !== undefined)
    return tags.trim() === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
  return isNotAfter(mtimeMs, headers['if-modified-since'])
}

/** Dates in HTTP have no fractions of seconds. */
function isNotAfter(mtimeMs: number, date: string | undefined): boolean {
  return date !== undefined && Math.floor(mtimeMs / 1000) * 1000 <= Date.parse(date)
}

/** The one range that is asked for. Several, and those of another version, are answered by the whole (RFC 9110 §14.2). */
function rangeOf(
  { method, headers }: IncomingMessage,
  etag: string,
  { size, mtimeMs }: Stats,
): { readonly start: number; readonly end: number } | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/i.exec(headers.range?.trim() ?? '') ?? []
  if (method !== 'GET' || first === undefined || last === undefined || (first === '' && last === '')) return undefined
  const condition = headers['if-range']?.toString()
  const isSameVersion =
    condition === undefined || condition === etag || Date.parse(condition) === Math.floor(mtimeMs / 1000) * 1000
  if (!isSameVersion) return undefined

  const start = first === '' ? Math.max(size - Number(last), 0) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined // no range by its grammar
  return start < size && end >= start ? { start, end } : 'unsatisfiable'
}
