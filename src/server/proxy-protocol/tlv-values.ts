/**
 * What do the TLVs of a header say, in words? Text where they are text; what is no UTF-8 is left out, and stays among
 * the TLVs as bytes. Of a type that comes twice the first counts.
 */

import { readTlvs, SSL_TLVS_START, type Tlv, TLV_TYPES } from './tlv.ts'

/** What a proxy may tell besides the addresses. It is as true as the proxy is trusted; what was not told is absent. */
export interface TlvValues {
  /** The protocol that the client and the proxy agreed on by ALPN, as `h2`. */
  readonly alpn?: string
  /** The host name that the client asked for when it began TLS (SNI): the client's own text, which nobody has checked. */
  readonly authority?: string
  /** The proxy's own name for the connection. */
  readonly uniqueId?: string
  /** The network namespace that the proxy took the connection in. */
  readonly networkNamespace?: string
  /** The TLS that the client spoke with the proxy. Absent: none, or the proxy does not say. */
  readonly tls?: ProxyProtocolTls
}

/** TLS between the client and the proxy. */
export interface ProxyProtocolTls {
  /** As `TLSv1.3`. */
  readonly version?: string
  /** As `TLS_AES_256_GCM_SHA384`. */
  readonly cipher?: string
  /** How the proxy's certificate is signed, as `SHA256`. */
  readonly signatureAlgorithm?: string
  /** The key of the proxy's certificate, as `RSA2048`. */
  readonly keyAlgorithm?: string
  /** The group of the key exchange, as `secp256r1`. */
  readonly group?: string
  /** The scheme of the handshake's signature, as `rsa_pss_rsae_sha256`. */
  readonly signatureScheme?: string
  /** The certificate that the client showed and the proxy verified. Absent: none that was verified. */
  readonly clientCertificate?: {
    readonly commonName?: string
    /** The whole certificate, where the proxy sends it. */
    readonly der?: Uint8Array
  }
}

/** What the TLVs of a header say. */
export function tlvValues(tlvs: readonly Tlv[]): TlvValues {
  const ssl = valueOf(tlvs, TLV_TYPES.ssl)
  return present({
    alpn: textOf(tlvs, TLV_TYPES.alpn),
    authority: textOf(tlvs, TLV_TYPES.authority),
    uniqueId: textOf(tlvs, TLV_TYPES.uniqueId),
    networkNamespace: textOf(tlvs, TLV_TYPES.networkNamespace),
    tls: ssl && tlsOf(ssl),
  })
}

/** Flags in the first byte of an SSL TLV. */
const CLIENT_SPOKE_TLS = 1
const CLIENT_SHOWED_CERTIFICATE = 2 | 4 // on this connection, or in the session that it resumes

function tlsOf(value: Uint8Array): ProxyProtocolTls | undefined {
  const flags = value[0] ?? 0
  const tlvs = readTlvs(value, SSL_TLVS_START)
  if (tlvs === undefined || (flags & CLIENT_SPOKE_TLS) === 0) return undefined
  const isVerified = value.subarray(1, SSL_TLVS_START).every((byte) => byte === 0)
  const hasCertificate = (flags & CLIENT_SHOWED_CERTIFICATE) !== 0 && isVerified
  return present({
    version: textOf(tlvs, 0x21),
    cipher: textOf(tlvs, 0x23),
    signatureAlgorithm: textOf(tlvs, 0x24),
    keyAlgorithm: textOf(tlvs, 0x25),
    group: textOf(tlvs, 0x26),
    signatureScheme: textOf(tlvs, 0x27),
    clientCertificate: hasCertificate
      ? present({ commonName: textOf(tlvs, 0x22), der: valueOf(tlvs, 0x28) })
      : undefined,
  })
}

function valueOf(tlvs: readonly Tlv[], type: number): Uint8Array | undefined {
  return tlvs.find((tlv) => tlv.type === type)?.value
}

function textOf(tlvs: readonly Tlv[], type: number): string | undefined {
  const value = valueOf(tlvs, type)
  try {
    return value && utf8.decode(value)
  } catch {
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The same without what is undefined. */
function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> } // the entries of T that are left
}
