/** The argument of any platform, as it is read and shown. */

import type { Endpoint } from '../../trust/address.ts'
import type { Client } from '../../trust/connection.ts'

/** What a platform passes along with one request. */
export interface PlatformArgument {
  /** Who is connected; without an address on a unix socket, `undefined` where the platform does not know. */
  readonly peer: Endpoint | undefined
  /**
   * The argument as the app is given it, with the client in place of the peer.
   * @param shown The Request that the app is given.
   */
  show(client: Client, shown: Request): unknown
}
