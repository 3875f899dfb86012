/**
 * How do listeners of a request and its response get to run in its scope? An emitter calls listeners in the context
 * that it emits in, which for a request is that of the connection, where no scope is. So `emit` is what is wrapped:
 * the listeners are stored as they came, whenever and however they were added, and removed by themselves.
 *
 * Two assignments for each emitter, and two for what is written to: a property that does not show in `Object.keys` would cost ten times as much.
 */

import { currentScope, runIn, type Scope } from './scope.ts'

interface Emitter {
  emit: Emit
  listenerCount(event: unknown): number
}

type Emit = (this: Emitter, event: unknown, ...args: unknown[]) => boolean

const SCOPE = Symbol('proxyfix.scope')

/** The scope that listeners run in. */
export interface EmitterScope extends Scope {
  /** The emitter whose `close` ends it. */
  readonly response: object | undefined
  end(): void
}

function isEmitter(value: unknown): value is Emitter & { [SCOPE]?: EmitterScope } {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Emitter>).emit === 'function'
}

/** From now on the listeners of an emitter run in a scope, those that are there and those to come. */
export function emitIn(scope: EmitterScope, emitter: unknown): void {
  if (!isEmitter(emitter)) return
  emitter[SCOPE] = scope
  // An instrumentation may have wrapped this one emitter before.
  emitter.emit = Object.hasOwn(emitter, 'emit') ? inScopeOf(own(emitter.emit)) : emitInScope
}

/**
 * From now on the callbacks that `write` and `end` are given run in the scope that called them. Since Node 24 they are no
 * listeners: of pipelined responses the first runs those of the others.
 */
export function callBackIn(scope: Scope, response: unknown): void {
  if (!isWritable(response)) return
  response[SCOPE] = scope
  response.write = Object.hasOwn(response, 'write') ? callingBack(own(response.write)) : writeInScope
  response.end = Object.hasOwn(response, 'end') ? callingBack(own(response.end)) : endInScope
}

type Send = (this: Writable, ...args: unknown[]) => unknown

interface Writable {
  [SCOPE]?: Scope
  write: Send
  end: Send
}

function isWritable(value: unknown): value is Writable {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Writable>).write === 'function'
}

/** Looked up at each event: what is patched into the class later (telemetry) is to see it as well. */
const emitInScope = inScopeOf((emitter) => (Object.getPrototypeOf(emitter) as Emitter).emit)
const writeInScope = callingBack((response) => (Object.getPrototypeOf(response) as Writable).write)
const endInScope = callingBack((response) => (Object.getPrototypeOf(response) as Writable).end)

function own<F>(method: F): () => F {
  return () => method
}

function inScopeOf(find: (emitter: Emitter) => Emit): Emit {
  return function emit(event, ...args) {
    const scope = (this as { [SCOPE]?: EmitterScope })[SCOPE]!
    const inner = find(this)
    try {
      // Entering is not free, and most events have no listeners.
      if (currentScope() === scope || this.listenerCount(event) === 0)
        return Reflect.apply(inner, this, [event, ...args])
      return runIn(scope, () => Reflect.apply(inner, this, [event, ...args]))
    } finally {
      if (event === 'close' && this === scope.response) scope.end()
    }
  }
}

function callingBack(find: (response: Writable) => Send): Send {
  return function send(...args) {
    const callback = args.at(-1)
    if (typeof callback === 'function') {
      const scope = currentScope() ?? this[SCOPE]!
      args[args.length - 1] = (...results: unknown[]) =>
        runIn(scope, () => Reflect.apply(callback, undefined, results) as unknown)
    }
    return Reflect.apply(find(this), this, args)
  }
}
