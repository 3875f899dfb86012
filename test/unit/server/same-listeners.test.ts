/**
 * What does a server put among the listeners of each request? The same functions for all of them: V8 may keep a closure
 * that is made for one among old objects, and with it all of its request.
 */

import type { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { requestContext } from '../../../src/context/index.ts'
import { serve, type ServeOptions } from '../../../src/server/index.ts'

type Listeners = Record<string, readonly unknown[]>

/** By `message event`; but for those that Node binds to each request itself. */
function listenersOf(messages: Record<string, EventEmitter>): Listeners {
  const found: Listeners = {}
  for (const [name, message] of Object.entries(messages)) {
    for (const event of message.eventNames()) {
      found[`${name} ${String(event)}`] = message
        .rawListeners(event)
        .filter((listener) => listener.name !== 'bound resOnFinish')
    }
  }
  return found
}

/** What the app finds on two requests. */
async function foundOnTwo(options: ServeOptions, wrapped: (app: NodeApp) => NodeApp): Promise<readonly Listeners[]> {
  const found: Listeners[] = []
  const app = wrapped((req, res) => {
    found.push(listenersOf({ req, res }))
    res.end()
  })
  const server = await serve(app, { bind: '127.0.0.1:0', ...options })
  onTestFinished(() => server.close({ timeout: 0 }))
  for (const path of ['one', 'two']) await (await fetch(new URL(path, server.url))).text()
  return found
}

type NodeApp = (req: IncomingMessage, res: ServerResponse) => unknown

describe('the listeners of two requests', () => {
  const proxyFix = { xFor: 1, xProto: 1, trustedProxies: 'loopback' } as const
  const folder = mkdtempSync(join(tmpdir(), 'proxyfix-listeners-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  it.each<[string, ServeOptions, (app: NodeApp) => NodeApp]>([
    ['of a plain server', {}, (app) => app],
    ['that are fixed', { proxyFix }, (app) => app],
    ['that are fixed, in a context', { proxyFix }, (app) => requestContext(app)],
    ['that are logged', { accessLog: { to: join(folder, 'log') } }, (app) => app],
  ])('%s are the same functions', async (_, options, wrapped) => {
    const [first, second] = await foundOnTwo(options, wrapped)
    expect(Object.keys(first!)).toContain('res error')
    expect(Object.keys(second!)).toEqual(Object.keys(first!))
    for (const [event, listeners] of Object.entries(second!)) {
      for (const [index, listener] of listeners.entries()) expect(listener, event).toBe(first![event]![index])
    }
  })
})
