/** Which file is the module that a spec names? */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ProxyFixError } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'

/** What a module's name may end with, in the order in which they are tried where it is left out. */
const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts']

/**
 * Finds the file of a module.
 * @param path A path, with or without its extension, a `file:` URL, or a dotted name: `folder.app` is `folder/app`.
 * @throws ProxyFixError `ERR_PROXYFIX_APP` when there is none.
 */
export function findAppFile(path: string, cwd: string): string {
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(path) && !path.startsWith('file://')) {
    refuse(`${path} is a URL: give the path of a JavaScript or TypeScript file.`)
  }
  const base = path.startsWith('file://') ? fileURLToPath(path) : resolve(cwd, path)
  const file = fileAt(base) ?? (isDotted(path) ? fileAt(resolve(cwd, ...path.split('.'))) : undefined)
  if (file !== undefined) return file
  if (existsSync(base)) refuse(`${path} is a folder: name the file in it that exports the app.`)
  const near = nearestFile(base)
  refuse(
    near === undefined
      ? `There is no module ${path} in ${cwd}: give the path of a JavaScript or TypeScript file.`
      : `There is no module ${path} in ${cwd}: did you mean ${relative(cwd, near)}?`,
  )
}

function fileAt(base: string): string | undefined {
  return ['', ...EXTENSIONS].map((extension) => base + extension).find(isFile)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

/** Names with dots between them, as Python writes modules. */
function isDotted(path: string): boolean {
  return /^[\w$-]+(?:\.[\w$-]+)+$/.test(path)
}

/** A module of nearly that name in the same folder; `app.py` is `app.js` there. */
function nearestFile(base: string): string | undefined {
  const folder = dirname(base)
  const names = isFolder(folder) ? readdirSync(folder).filter((name) => EXTENSIONS.includes(extname(name))) : []
  const wanted = withoutExtension(basename(base))
  const near = nearest(wanted, names.map(withoutExtension))
  const name = names.find((one) => withoutExtension(one) === near)
  return name === undefined ? undefined : join(folder, name)
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function withoutExtension(name: string): string {
  return name.replace(/\.\w+$/, '')
}

function refuse(message: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_APP', message)
}
