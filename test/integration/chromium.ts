/** A real browser, if this machine has one: Chromium without a window, told what to do over its debugging pipe. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

const PROGRAMS = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome']

/** The program, if this machine has it. */
export const chromiumProgram: string | undefined = PROGRAMS.flatMap((name) =>
  (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)),
).find(isProgram)

export interface RunningChromium {
  /** Opens a page, waits until it is loaded, and closes it when the test is done with it. */
  open(url: string): Promise<Page>
  stop(): Promise<void>
}

export interface Page {
  /** Runs a function in the page, and gives what it comes to; the function sees nothing but its argument. */
  run<Argument, Result>(program: (argument: Argument) => Result | Promise<Result>, argument: Argument): Promise<Result>
  close(): Promise<void>
}

/** A message of the DevTools protocol, an answer or an event. */
interface Message {
  readonly id?: number
  readonly method?: string
  readonly sessionId?: string
  readonly result?: Record<string, unknown>
  readonly error?: { readonly message: string }
}

type Send = (method: string, params?: object, sessionId?: string) => Promise<Record<string, unknown>>

/** Starts a browser that knows nobody and takes any certificate. */
export async function startChromium(): Promise<RunningChromium> {
  const folder = mkdtempSync(join(tmpdir(), 'proxyfix-chromium-'))
  const args = [
    '--headless',
    '--remote-debugging-pipe',
    `--user-data-dir=${folder}`,
    '--no-first-run',
    '--disable-gpu',
    '--disable-dev-shm-usage', // which is small in containers
    '--disable-background-networking',
    '--ignore-certificate-errors',
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), // which root cannot have
  ]
  const child = spawn(chromiumProgram ?? 'chromium', args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  const { send, onEvent } = talk(child)
  return {
    open: async (url) => await openPage(url, send, onEvent),
    async stop() {
      await send('Browser.close').catch(() => undefined) // it may be gone before it answers
      await exited
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Messages end with NUL, and go in by the fourth and out by the fifth of its streams. */
function talk(child: ChildProcess): { send: Send; onEvent: (listener: (message: Message) => boolean) => void } {
  const [, , , input, output] = child.stdio as unknown as [null, null, null, Writable, Readable]
  const waiting = new Map<number, (message: Message) => void>()
  let listeners: ((message: Message) => boolean)[] = []
  let unread = ''
  output.setEncoding('utf8').on('data', (text: string) => {
    const messages = (unread + text).split('\0')
    unread = messages.pop() ?? ''
    for (const one of messages) {
      const message = JSON.parse(one) as Message
      if (message.id === undefined) listeners = listeners.filter((listener) => !listener(message))
      else waiting.get(message.id)?.(message)
    }
  })
  input.on('error', () => undefined) // what there is to say of an end is said by the process
  child.once('exit', (code) => {
    for (const answer of waiting.values()) answer({ error: { message: `Chromium has ended with ${code}` } })
  })
  let last = 0
  return {
    send: (method, params = {}, sessionId) =>
      new Promise((resolve, reject) => {
        const id = ++last
        waiting.set(id, ({ result, error }) => {
          waiting.delete(id)
          if (error === undefined) resolve(result ?? {})
          else reject(new Error(`${method}: ${error.message}`))
        })
        input.write(`${JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) })}\0`)
      }),
    onEvent: (listener) => void listeners.push(listener),
  }
}

async function openPage(
  url: string,
  send: Send,
  onEvent: (listener: (message: Message) => boolean) => void,
): Promise<Page> {
  // A visitor of its own: cookies know no ports.
  const { browserContextId } = await send('Target.createBrowserContext')
  const { targetId } = await send('Target.createTarget', { url: 'about:blank', browserContextId })
  const { sessionId } = (await send('Target.attachToTarget', { targetId, flatten: true })) as { sessionId: string }
  await send('Page.enable', {}, sessionId)
  const loaded = new Promise<void>((resolve) => {
    onEvent(({ method, sessionId: of }) => {
      const isLoaded = of === sessionId && method === 'Page.loadEventFired'
      if (isLoaded) resolve()
      return isLoaded
    })
  })
  const { errorText } = await send('Page.navigate', { url }, sessionId)
  if (errorText !== undefined) throw new Error(`${url}: ${String(errorText)}`)
  await loaded
  return {
    async run(program, argument) {
      const expression = `(${program.toString()})(${JSON.stringify(argument)})`
      const params = { expression, awaitPromise: true, returnByValue: true }
      const { result, exceptionDetails } = await send('Runtime.evaluate', params, sessionId)
      if (exceptionDetails !== undefined) throw new Error(`In the page: ${JSON.stringify(exceptionDetails)}`)
      return (result as { value: never }).value
    },
    close: async () => void (await send('Target.disposeBrowserContext', { browserContextId })),
  }
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
