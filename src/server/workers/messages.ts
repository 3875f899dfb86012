/** What do the process that listens and those that serve say to each other? */

import type { StopOptions } from '../drain.ts'
import type { SelfSigned } from '../self-signed.ts'

/** To a worker. */
export type ToWorker =
  /** What only the listening process knows; the worker reads all else for itself, as the one before it did. */
  | { readonly type: 'start'; readonly bind: readonly string[]; readonly adhoc?: SelfSigned }
  /** Comes with a socket: serve it, and say that it was taken. */
  | { readonly type: 'connection'; readonly id: number; readonly index: number }
  | { readonly type: 'wind-down' }
  | ({ readonly type: 'stop' } & StopOptions)
  | { readonly type: 'reopen-logs' }
  | { readonly type: 'ping' }

/** From a worker. */
export type FromWorker =
  /** It listens to messages. */
  | { readonly type: 'hello' }
  | { readonly type: 'ready' }
  /** It cannot serve, for a reason that is a sentence; it ends with this code. */
  | ({ readonly type: 'failed' } & BootFailure)
  | { readonly type: 'taken'; readonly id: number }
  /** It was sent SIGTERM: alone, or with all of its group. */
  | { readonly type: 'told-to-end' }
  /** It wants to be replaced; `hasFailed` where the app is why. */
  | { readonly type: 'retire'; readonly reason: string; readonly hasFailed?: boolean }
  | { readonly type: 'pong' }

/** Why a worker cannot serve. */
export interface BootFailure {
  /** 2 wrong usage, 3 it ended while it started, 4 the app could not be loaded. */
  readonly code: number
  readonly message: string
  /** Where the app threw, if it did. */
  readonly stack?: string | undefined
}
