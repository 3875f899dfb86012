/**
 * Which listener of a request is Node's own? It listens to the end of each request whose response went out first, as that of
 * every GET does, and needs no scope: to enter one for it would take a microsecond (Node 24), when a whole request takes 14.
 *
 * Nothing tells it by itself, so it is learned, once: what listens to the end of a request after its response has
 * finished, and did not before, is Node's, if nobody but Node listened to that.
 */

/** What is asked of an emitter here. */
export interface Heard {
  listenerCount(event: unknown): number
  listeners(event: unknown): readonly unknown[]
}

let nodesOwn: unknown

/** Whether there are listeners, other than Node's own. */
export function isHeard(emitter: Heard, event: unknown): boolean {
  const count = emitter.listenerCount(event)
  return (
    count > 1 ||
    (count === 1 && !(event === 'end' && nodesOwn !== undefined && emitter.listeners(event)[0] === nodesOwn))
  )
}

/** Whether Node's own listener can be learned from what a response does when it has finished. */
export function canLearnFrom(request: Heard, response: Heard): boolean {
  return nodesOwn === undefined && response.listenerCount('finish') === 1 && request.listenerCount('end') === 0
}

/** To be called when it has. */
export function learnFrom(request: Heard): void {
  if (request.listenerCount('end') === 1) [nodesOwn] = request.listeners('end')
}
