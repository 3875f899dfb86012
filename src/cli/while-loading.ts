/**
 * What may other people's code do while it is loaded, besides failing? It may end the process, wait for what never comes,
 * or listen by itself. None of it goes unsaid.
 */

import { placeOf, summaryOf } from '../server/app-stack.ts'
import { listeningSockets } from '../server/import-module.ts'
import { printable } from '../trust/error.ts'
import { say } from './usage-error.ts'

/** After so many milliseconds somebody should hear of it. */
const LONG = 10_000

/**
 * Loads something.
 * @param name What is loaded, as sentences call it.
 * @param exitCode The code that the process ends with when the code that is loaded ends it.
 * @param tell Is told so as the process ends. Absent: it is said, and Node shows what was thrown.
 */
export async function whileLoading<T>(
  name: string,
  exitCode: number,
  load: () => Promise<T>,
  tell?: (sentence: string) => void,
): Promise<T> {
  const what = printable(name)
  const onExit = (code: number): void => {
    // Whoever called process.exit(); nobody of the app did where a signal ends the process.
    const place = placeOf(new Error('exit'))
    if (place === '') return
    const sentence = `${what} ended the process while it was loaded, by process.exit(${code})${place}.`
    if (tell === undefined) say(`proxyfix: ${sentence}`)
    else tell(sentence)
    process.exitCode = exitCode
  }
  let onExitOfThrown = (): void => undefined
  const onThrow = (error: unknown): void => {
    process.off('exit', onExitOfThrown) // that error was caught by the app itself
    onExitOfThrown = () => {
      process.exitCode = exitCode
      tell?.(`${what} threw while it was loaded: ${summaryOf(error)}${placeOf(error)}.`)
    }
    process.on('exit', onExitOfThrown)
  }
  process.on('exit', onExit)
  process.on('uncaughtExceptionMonitor', onThrow)
  const timer = setTimeout(() => {
    say(`${what} is still being loaded: it may await something that never comes.`)
  }, LONG).unref()
  const before = listeningSockets()
  try {
    const loaded = await load()
    if (listeningSockets() > before) {
      say(
        `Warning: ${what} listens by itself as well, and who connects there gets past this server: leave out its listen().`,
      )
    }
    return loaded
  } finally {
    clearTimeout(timer)
    process.off('exit', onExit)
    process.off('exit', onExitOfThrown)
    process.off('uncaughtExceptionMonitor', onThrow)
  }
}
