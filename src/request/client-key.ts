/**
 * Under which key are the requests of one client counted? An IPv6 client has a whole network to itself and takes
 * another address for each request if that helps, so IPv6 is counted by network: providers hand out a /56 (RFC 6177).
 */

import { canonicalPeer, networkOf, parseForwardedFor } from '../trust/address.ts'
import { fail, show } from '../trust/error.ts'
import { requireFix } from './fixed.ts'

/** How clients are told apart. */
export interface ClientKeyOptions {
  /** How many bits of an IPv6 address make one client, 1 to 128. @default 56 */
  readonly ipv6Subnet?: number | undefined
}

/**
 * A rate-limit key: the client's address, for IPv6 its network (`2001:db8:0:ff00::/56`). A client that a proxy tells
 * only by a name has that name; all that are unknown share the key `unknown`.
 *
 * @param client A fixed request, Node or Fetch, or an address as text, with a port or a zone or without.
 * @throws ProxyFixError `ERR_PROXYFIX_NOT_FIXED` for a request that was not fixed, `ERR_PROXYFIX_OPTION` for text that is
 * no address, or an impossible `ipv6Subnet`.
 * @example
 * rateLimit({ keyGenerator: (req) => clientKey(req) })
 */
export function clientKey(client: object | string, options: ClientKeyOptions = {}): string {
  const { ipv6Subnet = 56, ...others } = options
  const [other] = Object.keys(others)
  if (other !== undefined) fail(`There is no option ${other}: clientKey knows ipv6Subnet.`)
  if (!Number.isInteger(ipv6Subnet) || ipv6Subnet < 1 || ipv6Subnet > 128) {
    fail(`The option ipv6Subnet must be a whole number of bits from 1 to 128, not ${show(ipv6Subnet)}.`)
  }
  if (typeof client === 'string') {
    const address = canonicalPeer(client) ?? parseForwardedFor(client)?.address
    return keyOf(address, ipv6Subnet) ?? fail(`clientKey needs a fixed request or an IP address, not ${show(client)}.`)
  }
  const { address, node } = requireFix(client, 'clientKey').decision.client
  return keyOf(address, ipv6Subnet) ?? node ?? 'unknown'
}

function keyOf(address: string | undefined, bits: number): string | undefined {
  return address === undefined ? undefined : networkOf(address, bits)
}
