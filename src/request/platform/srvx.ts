/**
 * srvx passes nothing beside the Request: it has put there what the platform passed (`runtime`) and the peer's
 * address (`ip`).
 *
 * On Workers and Bunny that `ip` is a header's word, which a client can write where no such platform stands in front:
 * it is no peer. And where srvx is told to trust proxies by itself, `ip` may be what they said. So the peer is read
 * from what the platform passed.
 */

import type { Endpoint } from '../../trust/address.ts'
import type { Client } from '../../trust/connection.ts'
import type { PlatformArgument } from './argument.ts'
import { bun } from './bun.ts'
import { deno } from './deno.ts'

/** What srvx has on its requests beside what a Request has. */
export interface ServerRequest extends Request {
  readonly ip?: string | undefined
  readonly runtime?: {
    readonly name?: string
    readonly node?: { readonly req?: unknown }
    readonly bun?: { readonly server?: unknown }
    readonly deno?: { info?: unknown }
  }
  readonly waitUntil?: unknown
  readonly context?: unknown
}

/** What srvx tells of a request's peer; `undefined` for a request that is not srvx's. */
export function srvx(request: ServerRequest): PlatformArgument | undefined {
  const { runtime } = request
  if (runtime === undefined) return undefined
  const { server } = runtime.bun ?? {}
  if (isObject(server)) return bun(server, request)
  const info = runtime.deno?.info
  if (isObject(info)) return shownIn(runtime.deno!, deno(info, request))
  return { peer: lambdaPeer(request), show: () => undefined }
}

/** Shows Deno's `info` where srvx keeps it, an object made for this request. */
function shownIn(place: { info?: unknown }, argument: PlatformArgument | undefined): PlatformArgument | undefined {
  return (
    argument && {
      peer: argument.peer,
      show(client: Client, shown: Request) {
        place.info = argument.show(client, shown)
      },
    }
  )
}

/** API Gateway's event tells who is connected to it. */
function lambdaPeer({ runtime, ip }: ServerRequest): Endpoint | undefined {
  return runtime?.name === 'aws-lambda' && ip !== undefined ? { address: ip } : undefined
}

/** What srvx has on a request goes over, with its `ip`, which may have been read before the fix, the client's. */
export function carryServerFields(from: ServerRequest, to: Request, client: Client): void {
  const { runtime, waitUntil, context } = from
  if (runtime === undefined) return
  if (to !== from) Object.assign(to, { runtime, waitUntil, context })
  Object.defineProperty(to, 'ip', { value: client.address, configurable: true, enumerable: true })
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
