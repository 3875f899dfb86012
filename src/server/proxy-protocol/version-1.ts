/** The PROXY protocol in text: `PROXY TCP4 203.0.113.7 192.0.2.1 51234 443` and CRLF (specification §2.1). */

import { canonicalAddress, isFullIPv4 } from '../../trust/address.ts'
import type { ParsedProxyProtocol, ProxyProtocolAddress } from './header.ts'

/** `PROXY` and a blank. */
export const VERSION_1: Uint8Array = Uint8Array.of(0x50, 0x52, 0x4f, 0x58, 0x59, 0x20)

/** The longest line that the specification allows, its CRLF included. */
const LINE_LIMIT = 107

const CR = 0x0d
const LF = 0x0a

/** @param bytes They begin with {@link VERSION_1}. */
export function parseVersion1(bytes: Uint8Array): ParsedProxyProtocol {
  // The CR stands at the last place but one at the latest.
  const end = Math.min(bytes.length, LINE_LIMIT - 1)
  for (let index = VERSION_1.length; index < end; index++) {
    const code = bytes[index]
    if (code === LF) return reject('its line ends in LF without CR')
    if (code !== CR) continue
    if (index + 1 === bytes.length) return INCOMPLETE
    if (bytes[index + 1] !== LF) return reject('its line has a CR without LF')
    return parseLine(String.fromCharCode(...bytes.subarray(VERSION_1.length, index)), index + 2)
  }
  return bytes.length < LINE_LIMIT - 1 ? INCOMPLETE : reject(`its line is longer than ${LINE_LIMIT} bytes`)
}

const INCOMPLETE: ParsedProxyProtocol = { result: 'incomplete', reason: 'its line has not ended' }

/** @param line What stands between `PROXY ` and CRLF. */
function parseLine(line: string, consumed: number): ParsedProxyProtocol {
  const [protocol, ...fields] = line.split(' ')
  if (protocol === 'UNKNOWN') return { result: 'local', version: 1, consumed } // whatever stands behind it
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return reject('its protocol is none of TCP4, TCP6 and UNKNOWN')
  const [from = '', to = '', fromPort = '', toPort = ''] = fields
  if (fields.length !== 4) return reject('its line does not have two addresses and two ports, one blank apart')
  const [family, read] = protocol === 'TCP4' ? (['ipv4', ipv4] as const) : (['ipv6', ipv6] as const)
  const source = endpoint(read(from), fromPort)
  const destination = endpoint(read(to), toPort)
  if (source === undefined || destination === undefined) return reject(`its line has a bad ${protocol} address or port`)
  return { result: 'proxy', version: 1, family, transport: 'stream', source, destination, consumed, tlvs: [] }
}

function ipv4(text: string): string | undefined {
  return isFullIPv4(text) ? text : undefined
}

function ipv6(text: string): string | undefined {
  return text.includes(':') ? canonicalAddress(text) : undefined
}

function endpoint(address: string | undefined, portText: string): ProxyProtocolAddress | undefined {
  if (address === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(portText)) return undefined
  const port = Number(portText)
  if (port > 65535) return undefined
  return port === 0 ? { address } : { address, port }
}

function reject(reason: string): ParsedProxyProtocol {
  return { result: 'reject', reason }
}
