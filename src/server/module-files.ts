/** Which modules lie in a folder? */

import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { nearest } from '../trust/nearest.ts'

/** What a module's name may end with, in the order in which they are tried where it is left out. */
export const MODULE_EXTENSIONS: readonly string[] = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts']

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/** A module of nearly that name in the same folder; `app.py` is `app.js` there. */
export function nearestFile(path: string): string | undefined {
  const folder = dirname(path)
  const names = isFolder(folder) ? readdirSync(folder).filter((name) => MODULE_EXTENSIONS.includes(extname(name))) : []
  const wanted = withoutExtension(basename(path))
  const near = nearest(wanted, names.map(withoutExtension))
  const name = names.find((one) => withoutExtension(one) === near)
  return name === undefined ? undefined : join(folder, name)
}

function withoutExtension(name: string): string {
  return name.replace(/\.\w+$/, '')
}
