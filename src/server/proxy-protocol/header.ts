/** What may the bytes that a connection begins with turn out to be? The words that this folder speaks. */

import type { Tlv } from './tlv.ts'

/** One end of a connection, as a header names it. */
export interface ProxyProtocolAddress {
  /**
   * An IP address in canonical text, with `::ffff:a.b.c.d` folded to IPv4; where a proxy took the connection on a unix
   * socket the path of it, often `''`.
   */
  readonly address: string
  /** Absent where there is none, or it is told as 0. */
  readonly port?: number
}

/** A header that names who opened the connection to the proxy. */
export interface ProxiedConnection {
  readonly result: 'proxy'
  readonly version: 1 | 2
  /** How the addresses were written; an `ipv6` one may be of IPv4. */
  readonly family: 'ipv4' | 'ipv6' | 'unix'
  /** What the client spoke with the proxy. */
  readonly transport: 'stream' | 'datagram'
  /** Who opened the connection. */
  readonly source: ProxyProtocolAddress
  /** Where it was opened to: the proxy's own address, as the client knows it. */
  readonly destination: ProxyProtocolAddress
  /** How many bytes the header takes. What comes after is the client's. */
  readonly consumed: number
  /** What else the proxy tells, in order; version 1 has none. `tlvValues` reads them. */
  readonly tlvs: readonly Tlv[]
  readonly reason?: undefined
}

/** A header that names nobody: the connection is the proxy's own, a health check, or its client is not known. */
export interface LocalConnection {
  readonly result: 'local'
  readonly version: 1 | 2
  readonly consumed: number
  readonly family?: undefined
  readonly transport?: undefined
  readonly source?: undefined
  readonly destination?: undefined
  readonly tlvs?: undefined
  readonly reason?: undefined
}

/** Bytes that do not make a header (`reject`), or not yet (`incomplete`). */
export interface NoHeader<Result extends 'reject' | 'incomplete'> {
  readonly result: Result
  /** One clause that says why not; it never repeats bytes that came. */
  readonly reason: string
  readonly version?: undefined
  readonly consumed?: undefined
  readonly family?: undefined
  readonly transport?: undefined
  readonly source?: undefined
  readonly destination?: undefined
  readonly tlvs?: undefined
}

export type ParsedProxyProtocol = ProxiedConnection | LocalConnection | NoHeader<'reject'> | NoHeader<'incomplete'>
