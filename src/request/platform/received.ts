/**
 * Which Request did the platform make? Bun and Deno upgrade, and tell the peer of, only Requests that they made
 * themselves, and the app may have been given another one in its place.
 */

const received = new WeakMap<object, Request>()

/** Remembers what the platform made, by the Request that the app is given in its place. */
export function remember(shown: Request, request: Request): void {
  if (shown !== request) received.set(shown, receivedOf(request))
}

/** The Request that the platform made; any other one is given back as it is. */
export function receivedOf(request: Request): Request {
  return received.get(request) ?? request
}
