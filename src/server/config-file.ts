/** What does the config file say? Finding it, reading it, and telling names in it that there are not; values are judged by whoever uses them. */

import { existsSync, readFileSync, type Stats, statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { fail, show } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import { summaryOf } from './app-stack.ts'
import { importModule, settled } from './import-module.ts'

const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts', '.json']
const FILES = EXTENSIONS.map((extension) => `proxyfix.config${extension}`)

const CODE = 'ERR_PROXYFIX_OPTION'

/** A config file that was read. */
export interface ConfigFile {
  /** Absolute. */
  readonly file: string
  /** The options by their names, as they were written. */
  readonly settings: Readonly<Record<string, unknown>>
}

/**
 * Reads the config file of a folder: `proxyfix.config.js`, `.mjs`, `.cjs`, `.ts`, `.mts`, `.cts` or `.json`. A module
 * exports an object as default, or a function that gives one, now or later.
 *
 * @param options.file Which file to read instead; it must exist.
 * @param options.names Every option that there is.
 * @param options.trustNames Those of `proxyFix`, which stand in an object of their own.
 * @param options.hintFor What to say of a name that people know from elsewhere; a clause.
 * @param options.cwd Where to look. Default: the working directory.
 * @returns `undefined` when there is none.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, saying what was wrong; its `cause` is what the file threw.
 */
export async function loadConfigFile(options: {
  readonly cwd?: string
  readonly file?: string
  readonly names: readonly string[]
  readonly trustNames?: readonly string[]
  readonly hintFor?: (name: string) => string | undefined
}): Promise<ConfigFile | undefined> {
  const { cwd = process.cwd(), names, trustNames = [], hintFor } = options
  const file = options.file === undefined ? findIn(cwd) : named(options.file, cwd)
  if (file === undefined) return undefined
  const path = options.file ?? basename(file)
  const settings = extname(file) === '.json' ? readJson(file, path) : await readModule(file, path)
  if (!isPlainObject(settings)) {
    fail(
      `${path} holds no settings: it must ${extname(file) === '.json' ? 'be' : 'export as default'} an object like { "bind": ":8000" }.`,
    )
  }
  // To read a member is to run code of the file, where a getter is behind it.
  const members = Promise.resolve().then(() => ({ ...settings }))
  const { $schema: _, ...given } = await settled(members, `What ${path} exports could not be read`, CODE) // for editors
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown === undefined) return { file, settings: given }
  const hint = hintFor?.(unknown)
  if (hint !== undefined) fail(`${path} sets ${show(unknown)}, which is no option: ${hint}.`)
  const inCamelCase = unknown.replaceAll(/[-_]+([a-z])/g, (_match, letter: string) => letter.toUpperCase())
  const near = trustNames.includes(inCamelCase) ? undefined : nearest(unknown, names)
  if (near !== undefined) fail(`${path} sets ${show(unknown)}, which is no option: did you mean ${show(near)}?`)
  const nearTrust = nearest(inCamelCase, trustNames)
  if (nearTrust !== undefined) {
    fail(`${path} sets ${show(unknown)} in the wrong place: write proxyFix: { ${nearTrust}: … }.`)
  }
  fail(`${path} sets ${show(unknown)}, which is no option: there are ${names.join(', ')}.`)
}

function findIn(folder: string): string | undefined {
  const [found, other] = FILES.filter((name) => existsSync(resolve(folder, name)))
  if (other !== undefined)
    fail(`There are ${found} and ${other}: keep one of them, or name the one to read by --config.`)
  return found === undefined ? undefined : resolve(folder, found)
}

function named(path: string, cwd: string): string {
  const file = resolve(cwd, path)
  const stats = statsOf(file, path)
  if (stats === undefined) fail(`There is no config file ${path} in ${cwd}.`)
  if (!stats.isFile()) fail(`The config file ${path} is no file.`)
  if (!EXTENSIONS.includes(extname(file))) {
    fail(`The config file ${path} must be JavaScript, TypeScript or JSON, and end in ${EXTENSIONS.join(', ')}.`)
  }
  return file
}

function statsOf(file: string, path: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false })
  } catch (error) {
    return fail(`The config file ${path} cannot be read: ${summaryOf(error)}.`)
  }
}

function readJson(file: string, path: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8').replace(/^\ufeff/, ''))
  } catch (error) {
    return fail(`${path} cannot be read: ${summaryOf(error)}.`)
  }
}

async function readModule(file: string, path: string): Promise<unknown> {
  const exported = (await importModule(file, path, CODE))['default']
  if (typeof exported !== 'function') {
    return await settled(Promise.resolve(exported), `The promise that ${path} exports failed`, CODE)
  }
  const made = Promise.resolve().then(() => exported() as unknown)
  return await settled(made, `The function that ${path} exports failed`, CODE)
}

/** An object with an own prototype is an app or a policy, and no settings. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Sets the variables of a file in `process.env`; those that are set already stay as they are.
 *
 * @param options.file Which file to read; it must exist. Absent: `.env` in the folder, if there is one.
 * @param options.cwd Default: the working directory.
 * @returns The names of those that it has set.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when the file cannot be read.
 */
export function loadEnvironmentFile(options: { readonly cwd?: string; readonly file?: string } = {}): string[] {
  const { cwd = process.cwd(), file } = options
  const path = resolve(cwd, file ?? '.env')
  if (file === undefined && !existsSync(path)) return []
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    fail(`${file ?? '.env'} is a folder: give a file of variables.`)
  }
  const before = new Set(Object.keys(process.env))
  try {
    process.loadEnvFile(path)
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    fail(
      isMissing
        ? `There is no file ${file} of variables in ${cwd}.`
        : `${file ?? '.env'} cannot be read: ${summaryOf(error)}.`,
    )
  }
  return Object.keys(process.env).filter((name) => !before.has(name))
}
