/** Which file is the module that a spec names, as a path, as Python writes it, or as a package? */

import { existsSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ProxyFixError, show } from '../trust/error.ts'
import { isFile, isFolder, MODULE_EXTENSIONS, nearestFile } from './module-files.ts'
import { findPackageModule, isPackageName } from './package-module.ts'

/** A name that ends so is a file's, whatever stands before the dot. */
const FILE_NAME = /\.(?:[cm]?[jt]sx?|json|py)$/

/** What was found, and what of the name was not the module's. */
export interface FoundModule {
  readonly file: string
  /** What the module is called in messages. */
  readonly path: string
  /** The names of the export, `['app']` of `myproject.app`. */
  readonly names?: readonly string[]
}

/**
 * Finds a module by its name; where the last names between dots may be an export's, by as much of it as names one.
 * @throws ProxyFixError `ERR_PROXYFIX_APP` when there is none.
 */
export function findModule(
  name: string,
  cwd: string,
  { mayNameExport }: { readonly mayNameExport: boolean },
): FoundModule {
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(name) && !name.startsWith('file://')) {
    refuse(`${name} is a URL: give the path of a JavaScript or TypeScript file.`)
  }
  const file = moduleFile(name, cwd)
  if (file !== undefined) return { file, path: name }
  const found = mayNameExport ? withExport(name, cwd) : undefined
  return found ?? refuse(notFound(name, cwd))
}

/** The module whose export the last names are. */
function withExport(name: string, cwd: string): FoundModule | undefined {
  for (let path = name; isDotted(path);) {
    path = path.slice(0, path.lastIndexOf('.'))
    const file = moduleFile(path, cwd)
    if (file !== undefined) return { file, path, names: name.slice(path.length + 1).split('.') }
  }
  return undefined
}

/** The file of a module: docs/server.md tells this order. */
function moduleFile(name: string, cwd: string): string | undefined {
  for (const path of pathsOf(name, cwd)) {
    const file = fileAt(path) ?? indexOf(path)
    if (file !== undefined) return file
  }
  return findPackageModule(name, cwd)
}

/** What a name means as a path; one with dots between names may be one through folders as well. */
function pathsOf(name: string, cwd: string): readonly string[] {
  const path = name.startsWith('file://') ? fileURLToPath(name) : resolve(cwd, name)
  return isDotted(name) ? [path, resolve(cwd, ...name.split('.'))] : [path]
}

function notFound(name: string, cwd: string): string {
  const paths = pathsOf(name, cwd)
  if (paths.some(existsSync)) return `${name} is a folder without an index: name the file in it that exports the app.`
  const near = paths.map(nearestFile).find((file) => file !== undefined)
  const nor = isPackageName(name) ? ', and no such package' : ''
  const hint =
    near === undefined ? 'give the path of a JavaScript or TypeScript file.' : `did you mean ${relative(cwd, near)}?`
  return `There is no module ${show(name)} in ${cwd}${nor}: ${hint}`
}

function fileAt(base: string): string | undefined {
  return ['', ...MODULE_EXTENSIONS].map((extension) => base + extension).find(isFile)
}

/** What stands for a folder. */
function indexOf(folder: string): string | undefined {
  return isFolder(folder) ? fileAt(join(folder, 'index')) : undefined
}

/** Names with dots between them, as Python writes modules. */
function isDotted(name: string): boolean {
  return /^[\w$-]+(?:\.[\w$-]+)+$/.test(name) && !FILE_NAME.test(name)
}

function refuse(message: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_APP', message)
}
