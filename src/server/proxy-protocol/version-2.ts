/**
 * The PROXY protocol in bytes: a signature, what is meant, how long it is, two addresses, and TLVs (specification §2.2).
 */

import { canonicalAddress } from '../../trust/address.ts'
import type { ParsedProxyProtocol, ProxyProtocolAddress } from './header.ts'
import { parseTlvs } from './tlv.ts'

/** Twelve bytes that no other protocol begins with. */
export const VERSION_2: Uint8Array = Uint8Array.of(
  0x0d,
  0x0a,
  0x0d,
  0x0a,
  0x00,
  0x0d,
  0x0a,
  0x51,
  0x55,
  0x49,
  0x54,
  0x0a,
)

/** The signature, the command, the family, and how many bytes come after these. */
const FIXED_LENGTH = 16

const LOCAL = 0
const PROXY = 1

/** The first is UNSPEC, in the families as in the transports. */
const FAMILIES = [undefined, 'ipv4', 'ipv6', 'unix'] as const
const TRANSPORTS = [undefined, 'stream', 'datagram'] as const

type Family = NonNullable<(typeof FAMILIES)[number]>

/** How many bytes one address takes, its port not included. */
const ADDRESS_LENGTH: Readonly<Record<Family, number>> = { ipv4: 4, ipv6: 16, unix: 108 }

/** @param bytes They begin with {@link VERSION_2}. */
export function parseVersion2(bytes: Uint8Array): ParsedProxyProtocol {
  const [command, kind] = [bytes[12], bytes[13]]
  if (command === undefined) return INCOMPLETE
  if (command >> 4 !== 2) return reject('its version is not 2')
  if ((command & 15) > PROXY) return reject('its command is neither LOCAL nor PROXY')
  if (kind === undefined) return INCOMPLETE
  if (kind >> 4 >= FAMILIES.length || (kind & 15) >= TRANSPORTS.length) {
    return reject('its family or transport is none that the protocol defines')
  }
  if (bytes.length < FIXED_LENGTH) return INCOMPLETE
  const consumed = FIXED_LENGTH + view(bytes).getUint16(14)
  const family = FAMILIES[kind >> 4]
  const transport = TRANSPORTS[kind & 15]
  const isLocal = (command & 15) === LOCAL || family === undefined || transport === undefined
  const tlvsStart = isLocal ? FIXED_LENGTH : FIXED_LENGTH + addressesLength(family)
  if (consumed < tlvsStart) return reject('it is too short for the addresses of its family')
  if (bytes.length < consumed) return INCOMPLETE
  // Whatever is in a LOCAL or UNSPEC header is to be skipped.
  if (isLocal) return { result: 'local', version: 2, consumed }

  const tlvs = parseTlvs(bytes.subarray(0, consumed), tlvsStart)
  if (typeof tlvs === 'string') return reject(tlvs)
  return { result: 'proxy', version: 2, family, transport, ...addresses(bytes, family), consumed, tlvs }
}

const INCOMPLETE: ParsedProxyProtocol = { result: 'incomplete', reason: 'the header has not ended' }

function addressesLength(family: Family): number {
  return 2 * ADDRESS_LENGTH[family] + (family === 'unix' ? 0 : 4)
}

function addresses(bytes: Uint8Array, family: Family): Record<'source' | 'destination', ProxyProtocolAddress> {
  const length = ADDRESS_LENGTH[family]
  const ports = FIXED_LENGTH + 2 * length
  const endpoint = (at: number, portAt: number): ProxyProtocolAddress => {
    const address = addressText(bytes.subarray(at, at + length), family)
    const port = family === 'unix' ? 0 : view(bytes).getUint16(portAt)
    return port === 0 ? { address } : { address, port }
  }
  return { source: endpoint(FIXED_LENGTH, ports), destination: endpoint(FIXED_LENGTH + length, ports + 2) }
}

function addressText(bytes: Uint8Array, family: Family): string {
  if (family === 'ipv4') return bytes.join('.')
  if (family === 'ipv6') {
    const groups = Array.from({ length: 8 }, (_, index) =>
      view(bytes)
        .getUint16(2 * index)
        .toString(16),
    )
    return canonicalAddress(groups.join(':'))! // eight groups are an address
  }
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end))
}

function view({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

function reject(reason: string): ParsedProxyProtocol {
  return { result: 'reject', reason }
}
