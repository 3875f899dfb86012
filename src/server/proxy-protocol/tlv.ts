/** What else does a proxy tell? A type, a length and a value, as often as there is room (specification §2.2). */

import { crc32c } from './crc32c.ts'

/** One thing that a proxy tells besides the addresses. */
export interface Tlv {
  /** What it is: the specification names some types, and leaves 0xE0 to 0xEF to whoever sends them. */
  readonly type: number
  readonly value: Uint8Array
}

/** The types that the specification gives a meaning. */
export const TLV_TYPES = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  uniqueId: 0x05,
  ssl: 0x20,
  networkNamespace: 0x30,
} as const

/** In the value of an SSL TLV: a byte of flags and four of the verification's result stand before TLVs of its own. */
export const SSL_TLVS_START = 5

const UNIQUE_ID_LIMIT = 128

/**
 * Reads the TLVs that a header ends in, and checks what can be checked.
 * @param header The whole header, which the checksum is of.
 * @returns What is wrong with them, in one clause, if anything is.
 */
export function parseTlvs(header: Uint8Array, start: number): readonly Tlv[] | string {
  const tlvs = readTlvs(header, start)
  if (tlvs === undefined) return 'one of its TLVs is cut'
  for (const { type, value } of tlvs) {
    if (type === TLV_TYPES.uniqueId && value.length > UNIQUE_ID_LIMIT)
      return `its UNIQUE_ID is longer than ${UNIQUE_ID_LIMIT} bytes`
    if (type === TLV_TYPES.ssl && (value.length < SSL_TLVS_START || readTlvs(value, SSL_TLVS_START) === undefined))
      return 'its SSL TLV is cut'
    if (type === TLV_TYPES.crc32c && value.length !== 4) return 'its CRC32C does not have four bytes'
  }
  return isIntact(header, start, tlvs) ? tlvs : 'its CRC32C does not match'
}

/** The TLVs that fill `bytes` from `start` to the end; `undefined` when the last one does not end there. */
export function readTlvs(bytes: Uint8Array, start: number): readonly Tlv[] | undefined {
  const tlvs: Tlv[] = []
  let at = start
  while (at < bytes.length) {
    if (bytes.length - at < 3) return undefined
    const valueAt = at + 3
    at = valueAt + bytes[valueAt - 2]! * 256 + bytes[valueAt - 1]!
    if (at > bytes.length) return undefined
    // A copy: it outlives the bytes around it, of which there may be many more.
    tlvs.push({ type: bytes[valueAt - 3]!, value: Uint8Array.from(bytes.subarray(valueAt, at)) })
  }
  return tlvs
}

/** The checksum is of the whole header with zeros in the place of the checksum; of several the first counts. */
function isIntact(header: Uint8Array, start: number, tlvs: readonly Tlv[]): boolean {
  let valueAt = start
  for (const { type, value } of tlvs) {
    valueAt += 3
    if (type === TLV_TYPES.crc32c) {
      const zeroed = Uint8Array.from(header).fill(0, valueAt, valueAt + 4)
      return new DataView(value.buffer).getUint32(0) === crc32c(zeroed)
    }
    valueAt += value.length
  }
  return true
}
