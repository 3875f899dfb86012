/**
 * How do listeners of a request and its response get to run in its scope? An emitter calls listeners in the context
 * that it emits in, which for a request is that of the connection, where no scope is. So `emit` is what is wrapped:
 * the listeners are stored as they came, whenever and however they were added, and removed by themselves.
 *
 * Assignments, as a property that does not show in `Object.keys` would cost ten times as much.
 */

import { canLearnFrom, type Heard, learnFrom, whoHears } from './nodes-own.ts'
import { currentPlace, type Place, runIn } from './scope.ts'

interface Emitter extends Heard {
  emit: Emit
}

type EmitArguments = [event: PropertyKey, ...args: unknown[]]

type Emit = (this: Emitter, ...args: EmitArguments) => boolean

const SCOPE = Symbol('proxyfix.scope')

/** The scope that listeners run in. */
export interface EmitterScope extends Place {
  readonly request: object
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
  const { emit } = emitter
  emitter.emit = emit === inherited(emitter)?.emit ? emitInScope : inScopeOf(own(emit))
}

/** The scope that the listeners of an emitter run in, if they were brought into one. */
export function emitterScope(emitter: object): EmitterScope | undefined {
  return (emitter as { [SCOPE]?: EmitterScope })[SCOPE]
}

/**
 * From now on the callbacks that a response is given with what to send run in the scope that gave them. They are no
 * listeners (since Node 24 not even those of `write` and `end`): of pipelined responses the first runs those of the others.
 */
export function callBackIn(scope: Place, response: unknown): void {
  if (!isWritable(response)) return
  response[SCOPE] = scope
  const { write, end, writeContinue, writeProcessing, writeEarlyHints } = response
  const its: Partial<Writable> = inherited(response) ?? {}
  response.write = write === its.write ? writeInScope : callingBack(own(write))
  response.end = end === its.end ? endInScope : callingBack(own(end))
  if (writeContinue !== undefined)
    response.writeContinue = writeContinue === its.writeContinue ? continueInScope : callingBack(own(writeContinue))
  if (writeProcessing !== undefined)
    response.writeProcessing =
      writeProcessing === its.writeProcessing ? processingInScope : callingBack(own(writeProcessing))
  if (writeEarlyHints !== undefined)
    response.writeEarlyHints =
      writeEarlyHints === its.writeEarlyHints ? hintsInScope : callingBack(own(writeEarlyHints))
}

type Send = (this: Writable, ...args: unknown[]) => unknown

interface Writable {
  [SCOPE]?: Place
  write: Send
  end: Send
  /** The socket of an upgrade has none of these. */
  writeContinue?: Send
  writeProcessing?: Send
  writeEarlyHints?: Send
}

function isWritable(value: unknown): value is Writable {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Writable>).write === 'function'
}

/** Looked up at each event: what is patched into the class later (telemetry) is to see it as well. */
const emitInScope: Emit = inScopeOf((emitter) => {
  const { emit } = inherited(emitter)! // `below` takes 20 ns more, as it reads any name of anything
  return emit === emitInScope ? below(emitter, 'emit', emitInScope) : emit
})
const writeInScope: Send = callingBack((response) => {
  const { write } = inherited(response)!
  return write === writeInScope ? below(response, 'write', writeInScope) : write
})
const endInScope: Send = callingBack((response) => {
  const { end } = inherited(response)!
  return end === endInScope ? below(response, 'end', endInScope) : end
})
const continueInScope: Send = callingBack((response) => below(response, 'writeContinue', continueInScope)!)
const processingInScope: Send = callingBack((response) => below(response, 'writeProcessing', processingInScope)!)
const hintsInScope: Send = callingBack((response) => below(response, 'writeEarlyHints', hintsInScope)!)

/**
 * What an object has from its class. An instrumentation may have wrapped a method of this one object before: that is then not the
 * method of its class. (`Object.hasOwn` takes 16 ns, and is asked of seven methods of each request.)
 */
function inherited<T extends object>(object: T): T | null {
  return Object.getPrototypeOf(object) as T | null
}

/** What a method of ours stands before; whoever calls it may only inherit from the object that was given it. */
function below<T extends object, Name extends keyof T>(heir: T, name: Name, ours: T[Name]): T[Name] {
  const before = inherited(heir)!
  return before[name] === ours ? below(before, name, ours) : before[name]
}

function own<F>(method: F): () => F {
  return () => method
}

function inScopeOf(find: (emitter: Emitter) => Emit): Emit {
  return function emit(...args) {
    const inner = find(this)
    const scope = (this as { [SCOPE]?: EmitterScope })[SCOPE]!
    const event = args[0]
    const learns = event === 'finish' && this === scope.response && canLearnFrom(scope.request, this)
    try {
      const hearer = whoHears(this, event)
      if (hearer === 'somebody') return enterAndEmit(this, scope, inner, args)
      // Most events have no listeners: Node would look once more, and tell the same.
      return hearer === 'nobody' && isNodesEmit(inner) ? false : Reflect.apply(inner, this, args)
    } finally {
      if (learns) learnFrom(scope.request)
      if (event === 'close' && this === scope.response) scope.end()
    }
  }
}

/** Entering is not free. Nor is a function to call `inner` in: each of a request's events would allocate what it refers to, 128 B. */
function enterAndEmit(emitter: Emitter, scope: EmitterScope, inner: Emit, args: EmitArguments): boolean {
  if (currentPlace() === scope) return Reflect.apply(inner, emitter, args)
  return runIn(scope, Reflect.apply, inner, emitter, args) as boolean
}

let lastEmit: Emit | undefined
let isLastNodes = false

/**
 * Whether this is Node's own, which tells by `false` that nobody has listened. What domains and telemetry have put in its place,
 * whose text is another, wants to be called.
 */
function isNodesEmit(emit: Emit): boolean {
  if (emit !== lastEmit) {
    lastEmit = emit
    isLastNodes = String(emit).includes('kErrorMonitor')
  }
  return isLastNodes
}

function callingBack(find: (response: Writable) => Send): Send {
  return function send(...args) {
    for (let index = 0; index < args.length; index++) {
      const callback = args[index]
      // Wherever it stands: whoever wraps these methods hands `undefined` on for what was not given.
      if (typeof callback === 'function') args[index] = boundTo(currentPlace() ?? this[SCOPE]!, callback as Callback)
    }
    return Reflect.apply(find(this), this, args)
  }
}

type Callback = (...results: unknown[]) => unknown

function boundTo(place: Place, callback: Callback): Callback {
  return (...results) => runIn(place, () => Reflect.apply(callback, undefined, results))
}
