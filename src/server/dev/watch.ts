/**
 * Has the program changed? Watches the code in a folder, and single files anywhere.
 *
 * Only code counts in the folder, and `.env` files: an app that writes its database, its log or its uploads there would
 * start anew at every request. Folders are watched, not files, as editors save by putting a new file in the old one's
 * place; what is told of a file is believed when its size or time has changed.
 */

import { type FSWatcher, readdirSync, type Stats, statSync, watch } from 'node:fs'
import { dirname, extname, join, resolve, sep } from 'node:path'
import { fail, show } from '../../trust/error.ts'

export interface WatchOptions {
  /** The folder of the program. */
  readonly root: string
  /** Files to watch wherever they are, such as a config file. */
  readonly extra?: readonly string[]
  /** Files and folders whose every file counts. */
  readonly paths?: readonly string[]
  /** Called once for what is changed in one go, with one of the files. */
  onChange(file: string): void
}

export interface Watching {
  /** Watches these files as well. Those of packages are left out: nobody edits them. */
  add(files: readonly string[]): void
  close(): void
}

const CODE: ReadonlySet<string> = new Set(['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts', '.jsx', '.tsx'])

/** Folders of packages, of tools and of what they make. Those whose names begin with a dot are left out as well. */
const IGNORED: ReadonlySet<string> = new Set(['node_modules', 'bower_components', 'coverage', '__pycache__', 'venv'])

/** Milliseconds without a change after which whoever saves is done. */
const QUIET = 100

/** A folder that is watched; another one may come in its place under the same name. */
interface Folder {
  readonly watcher: FSWatcher
  readonly identity: string
  /** Whether what is in it counts, or single files only. */
  readonly isWhole: boolean
}

/**
 * Watches from now on.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for one of `paths` that is not there.
 */
export function watchFiles({ root, extra = [], paths = [], onChange }: WatchOptions): Watching {
  const folders = new Map<string, Folder>()
  const single = new Set<string>()
  /** What each file was like when it was last looked at. */
  const states = new Map<string, string>()
  /** Folders in which everything counts. */
  const whole: string[] = []
  let changed: string | undefined
  let timer: NodeJS.Timeout | undefined
  let isFull = false

  function counts(path: string): boolean {
    if (single.has(path)) return true
    const name = path.slice(dirname(path).length).replace(sep, '')
    if (isInWhole(path)) return true
    return folders.get(dirname(path))?.isWhole === true && (CODE.has(extname(name)) || /^\.env(\.|$)/.test(name))
  }

  function isInWhole(path: string): boolean {
    return whole.some((folder) => path.startsWith(folder + sep))
  }

  function look(path: string): void {
    const stats = statOf(path)
    if (stats?.isDirectory() === true) {
      if (folders.get(dirname(path))?.isWhole === true) watchTree(path, stats, true)
      return
    }
    for (const [name, { watcher }] of folders) {
      if (name === path || name.startsWith(path + sep)) forget(name, watcher) // moved away, they would tell of elsewhere
    }
    if (counts(path) && noteState(path, stats)) tell(path)
  }

  /** Whether it has changed since it was last looked at. */
  function noteState(path: string, stats: Stats | undefined): boolean {
    const state = stats === undefined ? 'gone' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`
    const before = states.get(path) ?? 'gone'
    states.set(path, state)
    return state !== before
  }

  function tell(path: string): void {
    changed ??= path
    clearTimeout(timer)
    timer = setTimeout(() => {
      const file = changed!
      changed = undefined
      onChange(file)
    }, QUIET)
  }

  /** @param isNew Whether it came while we watched: what is in it is a change. */
  function watchTree(folder: string, stats: Stats, isNew: boolean): void {
    if (folder !== root && !whole.includes(folder) && isIgnored(folder)) return
    if (!watchFolder(folder, stats, true)) return
    for (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        const inside = statOf(path)
        if (inside !== undefined) watchTree(path, inside, isNew)
      } else if (counts(path) && noteState(path, statOf(path)) && isNew) tell(path)
    }
  }

  /** Whether it was not watched before. */
  function watchFolder(folder: string, { ino, birthtimeMs }: Stats, isWhole: boolean): boolean {
    const before = folders.get(folder)
    const identity = `${ino} ${birthtimeMs}` // as numbers are given out again
    if (before?.identity === identity && (before.isWhole || !isWhole)) return false
    before?.watcher.close()
    try {
      const watcher = watch(folder, (_, name) => {
        if (name === null) for (const entry of entriesOf(folder)) look(join(folder, entry.name))
        else look(join(folder, name))
      })
      // It has gone; the folder above tells if another comes.
      watcher.on('error', () => forget(folder, watcher))
      folders.set(folder, { watcher, identity, isWhole })
      return true
    } catch (error) {
      if (!isFull) console.error(`Changes in ${folder} will not be seen: ${(error as Error).message}.`)
      isFull = true // of the system's watchers, there are no more for other folders either
      return false
    }
  }

  function forget(folder: string, watcher: FSWatcher): void {
    watcher.close()
    if (folders.get(folder)?.watcher === watcher) folders.delete(folder)
  }

  function add(files: readonly string[]): void {
    for (const file of files) {
      const path = resolve(root, file)
      if (!path.split(sep).includes('node_modules')) addFile(path)
    }
  }

  function addFile(path: string): void {
    if (single.has(path)) return
    single.add(path)
    const stats = statOf(dirname(path))
    if (stats !== undefined) watchFolder(dirname(path), stats, false)
    noteState(path, statOf(path))
  }

  for (const path of paths.map((name) => resolve(root, name))) {
    const stats = statOf(path)
    if (stats === undefined) fail(`The option watch cannot take ${show(path)}: there is no such file or folder.`)
    if (stats.isDirectory()) whole.push(path)
    else addFile(path)
  }
  const rootStats = statOf(root)
  if (rootStats !== undefined) watchTree(root, rootStats, false)
  for (const folder of whole) watchTree(folder, statSync(folder), false)
  add(extra)
  return {
    add,
    close() {
      clearTimeout(timer)
      for (const { watcher } of folders.values()) watcher.close()
      folders.clear()
    },
  }
}

function isIgnored(folder: string): boolean {
  const name = folder.slice(folder.lastIndexOf(sep) + 1)
  return name.startsWith('.') || IGNORED.has(name)
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined // gone already, or not for us to see
  }
}

function entriesOf(folder: string): readonly { readonly name: string; isDirectory(): boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}
