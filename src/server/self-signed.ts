/**
 * A self-signed certificate for an hour of trying things out (`--cert adhoc`), made with nothing but `node:crypto`.
 * X.509 (RFC 5280) in DER: every part is a tag, a length and what is inside.
 */

import { isIPv4 } from 'node:net'
import { node } from './node.ts'

export interface SelfSigned {
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

const DAY = 86_400_000

/** @param names The DNS names and IPv4 addresses that it is for; the first is its common name. */
export function selfSigned(names: readonly string[]): SelfSigned {
  const { generateKeyPairSync, randomBytes, sign } = node.crypto
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(names[0] ?? 'localhost')))))
  const now = Date.now()
  const alternatives = names.map((one) =>
    isIPv4(one) ? der(0x87, Buffer.from(one.split('.').map(Number))) : der(0x82, Buffer.from(one)),
  )
  const signed = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // version 3
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(15)])), // serial number; browsers refuse one that they have met
    sequence(ECDSA_WITH_SHA256),
    name, // issuer
    sequence(time(now - DAY), time(now + 365 * DAY)),
    name, // subject
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(sequence(SUBJECT_ALT_NAME, der(0x04, sequence(...alternatives))))),
  )
  const signature = der(0x03, Buffer.concat([Buffer.of(0), sign('sha256', signed, privateKey)]))
  const text = sequence(signed, sequence(ECDSA_WITH_SHA256), signature).toString('base64')
  const lines = text.replaceAll(/.{64}(?=.)/g, '$&\n') // OpenSSL takes no empty line at the end
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, // as PEM is text
  }
}

/** UTCTime, as in 261122143000Z. */
function time(at: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(at).toISOString().replaceAll(/\D/g, '').slice(2, 14)}Z`))
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const inside = Buffer.concat(parts)
  const { length } = inside
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), inside])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts)
}

const COMMON_NAME = Buffer.from('0603550403', 'hex') // 2.5.4.3
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex') // 2.5.29.17
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex') // 1.2.840.10045.4.3.2
