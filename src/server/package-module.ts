/** Which file is `@acme/site/server`? A package's module, as an `import` in the working directory finds it. */

import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ProxyFixError } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import { askNode } from './ask-node.ts'
import { isFile, nearestFile } from './module-files.ts'

/** What Node gives for a package's name: conditions, self-reference and `#imports` are its business. */
const RESOLVE = `
  const answer = {}
  try {
    answer.url = import.meta.resolve(process.argv[1])
  } catch ({ code, message }) {
    Object.assign(answer, { code, message })
  }
  process.stdout.write('\\n' + JSON.stringify(answer))
`

interface Answer {
  readonly url?: string
  readonly code?: string
  readonly message?: string
}

/** Which list of a package.json a name is missing from. */
const LISTS: ReadonlyMap<string | undefined, 'exports' | 'imports'> = new Map([
  ['ERR_PACKAGE_PATH_NOT_EXPORTED', 'exports'],
  ['ERR_PACKAGE_IMPORT_NOT_DEFINED', 'imports'],
])

/** Whether Node would look for a package, or in package.json. */
export function isPackageName(name: string): boolean {
  return /^(?:#|(?:@[\w.~-]+\/)?[\w~-][\w.~-]*(?:\/|$))/.test(name) && !name.includes('\\')
}

/**
 * Finds a package's module.
 * @returns Its file, or nothing when there is no such package.
 * @throws ProxyFixError `ERR_PROXYFIX_APP` when there is one that does not have this module.
 */
export function findPackageModule(name: string, cwd: string): string | undefined {
  if (!isPackageName(name)) return undefined
  const { stdout } = askNode(RESOLVE, { args: [name], cwd })
  const line = stdout.slice(stdout.lastIndexOf('\n') + 1) // a program that NODE_OPTIONS preloads may have written others
  const { url = '', code, message = '' } = JSON.parse(line || '{}') as Answer
  const list = LISTS.get(code)
  if (list !== undefined) refuse(notListed(name, list, message))
  if (code !== undefined && code !== 'ERR_MODULE_NOT_FOUND') refuse(`${name} cannot be found: ${firstLine(message)}.`)
  // A file that Node did not find is one of a package that it has found.
  const missing = /^Cannot find (?:module|package) '(.+[\\/]node_modules[\\/].+)' imported from /.exec(message)?.[1]
  const file = url.startsWith('file://') ? fileURLToPath(url) : missing
  return file === undefined || isFile(file) ? file : refuse(notThere(name, file, cwd))
}

function notThere(name: string, file: string, cwd: string): string {
  const near = nearestFile(file)
  const hint = near === undefined ? 'is the package built?' : `did you mean ${relative(cwd, near)}?`
  return `${name} would be ${relative(cwd, file)}, which is not there: ${hint}`
}

function notListed(name: string, list: 'exports' | 'imports', message: string): string {
  const packageName = /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name
  const file = / in (?:package )?(.+[\\/]package\.json)/.exec(message)?.[1]
  const keys = file === undefined ? [] : keysOf(file, list)
  const names = list === 'imports' ? keys : keys.map((key) => packageName + key.slice(1))
  const near = nearest(name, names)
  const hint =
    near !== undefined
      ? `did you mean ${near}?`
      : names.length > 0
        ? `it has ${names.join(', ')}.`
        : `it has no such ${list === 'imports' ? 'list' : 'entry'}.`
  return list === 'imports'
    ? `${name} is not in the imports of ${file ?? 'package.json'}: ${hint}`
    : `The package ${packageName} does not export ${name}: ${hint}`
}

function keysOf(file: string, list: 'exports' | 'imports'): string[] {
  const listed = (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)[list] // Node has parsed it
  if (typeof listed !== 'object' || listed === null) return []
  return Object.keys(listed).filter((key) => /^[.#]/.test(key))
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!.replace(/ imported from .*$|\.$/, '')
}

function refuse(message: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_APP', message)
}
