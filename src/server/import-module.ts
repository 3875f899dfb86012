/** Running other people's code once: a module, a factory. Whatever it does wrong is told in a sentence. */

import { pathToFileURL } from 'node:url'
import { ProxyFixError, type ProxyFixErrorCode } from '../trust/error.ts'
import { placeOf, summaryOf } from './app-stack.ts'
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
    if (
      /\.[cm]?ts$/.test(file) &&
      (cause as NodeJS.ErrnoException | undefined)?.code === 'ERR_UNKNOWN_FILE_EXTENSION'
    ) {
      throw new ProxyFixError(
        code,
        `${path} is TypeScript, which Node ${process.version} cannot load: compile it, or use Node 22.18 or newer.`,
      )
    }
    throw error
  }
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
    throw new ProxyFixError(code, `${what}: ${summaryOf(error)}${placeOf(error)}.`, { cause: error })
  } finally {
    stop()
  }
}
