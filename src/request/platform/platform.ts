/**
 * What does a platform pass to a Fetch handler beside the Request? There it tells who is connected, and there apps and
 * frameworks look for the client: each platform has its own place, and a file of its own here.
 */

import type { PlatformArgument } from './argument.ts'
import { bun } from './bun.ts'
import { deno } from './deno.ts'
import { hono } from './hono.ts'
import { remix } from './remix.ts'

/** Knows the argument of one platform; `undefined` for what another one passes. */
type Platform = (argument: object, request: Request) => PlatformArgument | undefined

const PLATFORMS: readonly Platform[] = [deno, bun, remix, hono]

/** What is known of a platform's argument, if it is known. */
export function platformArgument(argument: unknown, request: Request): PlatformArgument | undefined {
  if (!isObject(argument)) return undefined
  for (const platform of PLATFORMS) {
    const known = platform(argument, request)
    if (known !== undefined) return known
  }
  return honoServer(argument, request)
}

/** Hono takes Bun's server among values of the app's own as well: `app.fetch(request, { server, ...env })`. */
function honoServer(argument: { readonly server?: unknown }, request: Request): PlatformArgument | undefined {
  const nested = isObject(argument.server) ? bun(argument.server, request) : undefined
  return nested && { peer: nested.peer, show: (client, shown) => ({ ...argument, server: nested.show(client, shown) }) }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
