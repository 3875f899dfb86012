/** Running other people's code once: a module, a factory. Whatever it does wrong is told in a sentence. */

import { extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ProxyFixError, type ProxyFixErrorCode } from '../trust/error.ts'
import { placeOf, summaryOf } from './app-stack.ts'
import { MODULE_EXTENSIONS } from './module-files.ts'
import { placeSyntaxError } from './syntax-place.ts'

/** What a module exports. */
export type Exports = Readonly<Record<string, unknown>>

/**
 * Imports a module.
 * @param path What messages call it.
 * @throws ProxyFixError with this code; its `cause` is what the module threw.
 */
export async function importModule(file: string, path: string, code: ProxyFixErrorCode): Promise<Exports> {
  try {
    return await settled(loaded(file), `${path} could not be loaded`, code)
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    const hint = notLoadable(file, path, (cause as NodeJS.ErrnoException | undefined)?.code)
    throw hint === undefined ? error : new ProxyFixError(code, hint)
  }
}

/** Why Node loads no file of this kind; nothing where it does. What the module imports may be of another kind. */
function notLoadable(file: string, path: string, code: string | undefined): string | undefined {
  const extension = extname(file)
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /^\.[cm]?ts$/.test(extension)) {
    return `${path} is TypeScript, which Node ${process.version} cannot load: compile it, or use Node 22.18 or newer.`
  }
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && !MODULE_EXTENSIONS.includes(extension)) {
    return `${path} is no file that Node can load: give one of JavaScript or TypeScript (${MODULE_EXTENSIONS.join(', ')}).`
  }
  if (extension === '.json' && code !== undefined && /^ERR_IMPORT_(?:ASSERTION|ATTRIBUTE)/.test(code)) {
    return `${path} holds data, and nothing that could be run: give a file of JavaScript or TypeScript.`
  }
  return undefined
}

async function loaded(file: string): Promise<Exports> {
  try {
    return transpiled((await import(pathToFileURL(file).href)) as Exports)
  } catch (error) {
    placeSyntaxError(error, file)
    throw error
  }
}

/** What an ES module exports that was compiled to CommonJS: Node shows all of it as one default. */
function transpiled(exports: Exports): Exports {
  const { default: whole } = exports
  if (typeof whole !== 'object' || whole === null) return exports
  const { __esModule: isTranspiled } = whole as { readonly __esModule?: unknown }
  return isTranspiled === true ? (whole as Exports) : exports // its members are the exports
}

/**
 * What the work settles with. A failure is told in a sentence, with what was thrown as its cause; so is that the process
 * would end although the work has not settled, as it waits for what never comes.
 * @param what What could not be done; the beginning of the sentence.
 */
export async function settled<T>(work: Promise<T>, what: string, code: ProxyFixErrorCode): Promise<T> {
  let stop = (): void => undefined
  const stuck = new Promise<never>((_, reject) => {
    const onIdle = (): void => reject(new Error('it awaits something that never comes'))
    process.once('beforeExit', onIdle)
    stop = () => void process.off('beforeExit', onIdle)
  })
  try {
    return await Promise.race([work, stuck])
  } catch (error) {
    throw failure(error, what, code)
  } finally {
    stop()
  }
}

/** How many sockets of TCP this process listens on. */
export function listeningSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length
}

/** What other people's code threw, told in a sentence. */
export function failure(error: unknown, what: string, code: ProxyFixErrorCode): ProxyFixError {
  return new ProxyFixError(code, `${what}: ${summaryOf(error)}${placeOf(error)}.`, { cause: error })
}
