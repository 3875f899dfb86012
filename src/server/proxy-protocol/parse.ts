/**
 * Is this the beginning of a connection that a proxy opened with a PROXY protocol header, and whom does it name? Bytes
 * in, an answer out: no sockets, no options, no trust. Whose header is believed at all, `receive.ts` decides.
 *
 * What two readers could take for two addresses is refused, as are bytes that mean nothing: HAProxy 2.6 reads
 * `1.2.3.256` as 1.2.4.0 and port 99999 as 34463, nginx 1.22 hands such text on as it came. Source: The PROXY
 * protocol, versions 1 and 2, as published with HAProxy (`doc/proxy-protocol.txt`).
 */

import { types } from 'node:util'
import type { ParsedProxyProtocol } from './header.ts'
import { parseVersion1, VERSION_1 } from './version-1.ts'
import { parseVersion2, VERSION_2 } from './version-2.ts'

/**
 * Reads the PROXY protocol header, version 1 or 2, that the bytes of a connection begin with. Never throws: what
 * is no bytes is refused too. An answer other than `incomplete` stays what it is, whatever bytes follow.
 *
 * @example
 * const parsed = parseProxyProtocol(Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\nGET / HTTP/1.1\r\n'))
 * // { result: 'proxy', version: 1, source: { address: '203.0.113.7', port: 51234 }, consumed: 44, … }
 */
export function parseProxyProtocol(bytes: Uint8Array): ParsedProxyProtocol {
  if (!types.isUint8Array(bytes)) return NO_BYTES
  if (beginsLike(bytes, VERSION_2)) return bytes.length < VERSION_2.length ? TOO_FEW : parseVersion2(bytes)
  if (beginsLike(bytes, VERSION_1)) return bytes.length < VERSION_1.length ? TOO_FEW : parseVersion1(bytes)
  return { result: 'reject', reason: 'it does not begin like a PROXY protocol header' }
}

const NO_BYTES: ParsedProxyProtocol = {
  result: 'reject',
  reason: 'it is no bytes: a Uint8Array, such as a Buffer, is what can be read',
}
const TOO_FEW: ParsedProxyProtocol = { result: 'incomplete', reason: 'the header has only begun' }

function beginsLike(bytes: Uint8Array, signature: Uint8Array): boolean {
  const length = Math.min(bytes.length, signature.length)
  for (let index = 0; index < length; index++) if (bytes[index] !== signature[index]) return false
  return true
}
