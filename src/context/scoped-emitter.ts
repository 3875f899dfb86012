/**
 * How do listeners of a request and its response get to run in its scope? An emitter calls listeners in the context
 * that it emits in, which for a request is that of the connection, where no scope is. So `emit` is what is wrapped:
 * the listeners are stored as they came, whenever and however they were added, and removed by themselves.
 *
 * Two assignments for each emitter: a property that does not show in `Object.keys` would cost ten times as much.
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

/** Looked up at each event: what is patched into the class later (telemetry) is to see it as well. */
const emitInScope = inScopeOf((emitter) => (Object.getPrototypeOf(emitter) as Emitter).emit)

function own(emit: Emit): () => Emit {
  return () => emit
}

function inScopeOf(find: (emitter: Emitter) => Emit): Emit {
  return function emit(event, ...args) {
    const scope = (this as { [SCOPE]?: EmitterScope })[SCOPE]!
    const inner = find(this)
    // Entering is not free, and most events have no listeners.
    if (currentScope() === scope || this.listenerCount(event) === 0) {
      const result = Reflect.apply(inner, this, [event, ...args])
      if (event === 'close' && this === scope.response) scope.end()
      return result
    }
    try {
      return runIn(scope, () => Reflect.apply(inner, this, [event, ...args]))
    } finally {
      if (event === 'close' && this === scope.response) scope.end()
    }
  }
}
