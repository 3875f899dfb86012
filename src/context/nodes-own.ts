/**
 * Which listener of a request is Node's own? It listens to the end of each request whose response went out first, as that of
 * every GET does, and needs no scope: to enter one for it would take a microsecond (Node 24), when a whole request takes 14.
 *
 * Nothing tells it by itself, so it is learned, once: what listens to the end of a request after its response has
 * finished, and did not before, is Node's, if nobody but Node listened to that.
 */

/** What is asked of an emitter here. */
export interface Heard {
  /** Stand-ins of responses may do without. */
  listenerCount?(event: unknown): number
  /** Where Node's emitters keep their listeners: a function, or a list of them. Not all that emit have it. */
  readonly _events?: Readonly<Record<PropertyKey, unknown>> | undefined
}

let nodesOwn: unknown

/** Who listens to an event: somebody, Node alone, or nobody. */
export function whoHears(emitter: Heard, event: PropertyKey): 'somebody' | 'node' | 'nobody' {
  const { _events: listeners } = emitter
  if (listeners === undefined) return emitter.listenerCount?.(event) === 0 ? 'nobody' : 'somebody'
  const listener = listeners[event]
  if (listener !== undefined) return listener === nodesOwn ? 'node' : 'somebody'
  return event === 'error' ? 'somebody' : 'nobody' // which is heard by who only monitors errors, too
}

/** Whether Node's own listener can be learned from what a response does when it has finished. */
export function canLearnFrom(request: Partial<Heard>, response: Heard): boolean {
  return nodesOwn === undefined && response.listenerCount?.('finish') === 1 && request.listenerCount?.('end') === 0
}

/** To be called when it has. */
export function learnFrom({ _events: listeners }: Partial<Heard>): void {
  const listener = listeners?.['end']
  // An instrumentation may listen from then on as well.
  if (typeof listener === 'function' && listener.name === NAME) nodesOwn = listener
}

/** As it is called in all versions of Node that there are; under another name it is not learned. */
const NAME = 'clearIncoming'
