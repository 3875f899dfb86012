/**
 * What do signals ask for? They are heard from the first moment on, before anything else is loaded: what Node and the system
 * do by themselves would stop the program, end it without a word, or open a debugger.
 */

import { notifySystemd } from '../server/systemd.ts'
import { say } from './usage-error.ts'

/** What serves, one process or several; what signals ask of it. */
export interface Served {
  /** Goes on taking connections, but so that they end soon. */
  windDown(): void
  /** Takes no more connections, and resolves when what is in flight is finished. */
  stop(): Promise<void>
  kill(): Promise<void>
  reload(): void
  reopenLogs(): void
  resize(by: 1 | -1): void
}

export interface Heeding {
  /** From now on signals are for this one. `shutdownDelay`: milliseconds between SIGTERM and the end of taking connections. */
  serve(served: Served, shutdownDelay: number): void
}

const TO_STOP = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const

/**
 * Milliseconds in which whatever asks to stop again is the same wish: GNU `timeout` signals its program and then the
 * whole group, npm passes on what the terminal has sent to the program as well. Nobody presses Ctrl-C twice as fast.
 */
const SAME_WISH = 100

/** The first signal to stop finishes what is in flight; a later one does not wait for it. */
export function heedSignals(): Heeding {
  let served: Served | undefined
  let shutdownDelay = 0
  let stoppingSince: number | undefined
  let isHurried = false

  async function stop(signal: NodeJS.Signals, number: number): Promise<void> {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince < SAME_WISH) return
      isHurried = true
      await served?.kill()
      return process.exit(128 + number)
    }
    stoppingSince = performance.now()
    if (served === undefined) {
      say(`${signal}: nothing was served yet`)
      return process.exit(0)
    }
    say(`${signal}: finishing the requests in flight; once more to stop at once`)
    notifySystemd('STOPPING=1')
    served.windDown()
    if (signal === 'SIGTERM' && shutdownDelay > 0) await new Promise((resolve) => setTimeout(resolve, shutdownDelay))
    await served.stop()
    if (!isHurried) process.exit(0)
  }

  /** Asks something of what serves, if there is something that does. */
  function ask(signal: NodeJS.Signals, what: (one: Served) => void): void {
    process.on(signal, () => {
      if (stoppingSince !== undefined) return
      if (served === undefined) say(`${signal}: nothing is served yet`)
      else what(served)
    })
  }

  for (const signal of TO_STOP) process.on(signal, (name: NodeJS.Signals, number: number) => void stop(name, number))
  ask('SIGHUP', (one) => one.reload())
  ask('SIGTTIN', (one) => one.resize(1))
  ask('SIGTTOU', (one) => one.resize(-1))
  process.on('SIGUSR1', () => served?.reopenLogs())
  process.on('SIGUSR2', () => {
    const isOnlyOurs = process.listenerCount('SIGUSR2') === 1 // an app in this process may use it
    if (isOnlyOurs) say('SIGUSR2 does nothing here: a new release is loaded by SIGHUP, where there are workers (-w 1)')
  })
  process.on('SIGWINCH', () => {
    const isWindow = process.stderr.isTTY // of which somebody has changed the size
    if (!isWindow) say('SIGWINCH does nothing here: workers are taken away one by one by SIGTTOU')
  })

  return {
    serve: (one, delay) => {
      served = one
      shutdownDelay = delay
    },
  }
}
