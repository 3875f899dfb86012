/** What does a worker do? It serves the connections that the listening process hands to it, until it is told to stop. */

import type { Socket } from 'node:net'
import type { Instance } from '../instance.ts'
import { asForHttp } from '../listen.ts'
import { outliveErrors } from '../outlive.ts'
import { useAdhocCertificate } from '../tls.ts'
import type { BootFailure, FromWorker, ToWorker } from './messages.ts'
import { hideNewSpace } from './new-space.ts'

/** What a worker is made of, once it knows where it serves. */
export type MakeInstance = (
  bind: readonly string[],
  onRequest: () => void,
) => Promise<{ instance: Instance; maxRequests: number }>

/**
 * Runs this process as a worker.
 * @param make Makes what serves.
 * @param failureOf Says why it could not be made.
 */
export function runWorker(make: MakeInstance, failureOf: (error: unknown) => BootFailure): void {
  let instance: Instance | undefined
  hideNewSpace()
  process.on('SIGTERM', () => tell({ type: 'told-to-end' }))
  process.on('SIGUSR1', () => instance?.reopenLogs())

  process.on('message', (message: ToWorker, socket?: Socket) => {
    if (message.type === 'start') void start(message)
    else if (message.type === 'connection') take(message, socket)
    else if (message.type === 'wind-down') instance?.windDown()
    else if (message.type === 'stop') void stop(message)
    else if (message.type === 'reopen-logs') instance?.reopenLogs()
    else if (message.type === 'ping') tell({ type: 'pong' })
  })
  tell({ type: 'hello' })

  async function start({ bind, adhoc }: Extract<ToWorker, { type: 'start' }>): Promise<void> {
    if (adhoc !== undefined) useAdhocCertificate(adhoc)
    let requests = 0
    let most = Infinity
    // Whoever only waits to be told something does not load any more: without this, what never comes is waited for.
    process.channel?.unref()
    try {
      const made = await make(bind, () => {
        if (++requests === most) tell({ type: 'retire', reason: `it has served ${requests} requests` })
      })
      process.channel?.ref()
      most = made.maxRequests
      instance = made.instance
      tell({ type: 'ready' })
      outliveErrors(() => tell({ type: 'retire', reason: 'the app threw what nobody caught', hasFailed: true }))
    } catch (error) {
      process.channel?.ref()
      const failure = failureOf(error)
      process.send?.({ type: 'failed', ...failure } satisfies FromWorker, () => process.exit(failure.code))
    }
  }

  function take({ id, index }: Extract<ToWorker, { type: 'connection' }>, socket: Socket | undefined): void {
    tell({ type: 'taken', id })
    if (socket === undefined) return // the client has gone already
    asForHttp(socket)
    instance?.take(socket, index)
  }

  async function stop(how: Extract<ToWorker, { type: 'stop' }>): Promise<void> {
    await instance?.stop(how)
    process.exit(0)
  }
}

/** Says something to the process that listens. */
export function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message)
}
