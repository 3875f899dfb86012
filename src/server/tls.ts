/** With which certificate does the server speak TLS? Files are read at construction, and again when it is told to. */

import { readFileSync } from 'node:fs'
import type { SecureContextOptions } from 'node:tls'
import { fail, show } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import { node } from './node.ts'
import { type SelfSigned, selfSigned } from './self-signed.ts'

/** A certificate and its key, each as the path of a file, or as what such a file holds. */
export interface TlsFiles {
  /** The certificate, with those that it depends on after it. */
  readonly cert: string | Uint8Array
  readonly key: string | Uint8Array
  /** Further certificates of the chain, where they stand in a file of their own. */
  readonly chain?: string | Uint8Array | undefined
}

const MEMBERS: readonly string[] = ['cert', 'key', 'chain']

/** `'adhoc'`: a fresh self-signed certificate for `localhost`, to try things out with. */
export type TlsOption = TlsFiles | 'adhoc'

/** What `adhoc` stands for: made once for a process, and handed to its workers. */
let adhoc: SelfSigned | undefined

export function adhocCertificate(): SelfSigned {
  return (adhoc ??= selfSigned(['localhost', '127.0.0.1']))
}

/** Lets a worker use the certificate of the process that started it. */
export function useAdhocCertificate(certificate: SelfSigned): void {
  adhoc = certificate
}

/**
 * Reads the certificate and the key, and sees that they are a pair.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, saying which file cannot be used and why.
 */
export function readTls(option: TlsOption): SecureContextOptions {
  if (option === 'adhoc') return adhocCertificate()
  if (typeof option !== 'object' || option === null) {
    fail(`The option tls must be { cert, key } or 'adhoc', not ${show(option)}.`)
  }
  for (const name in option) if (!MEMBERS.includes(name)) fail(unknownMember(name))
  const { cert, key, chain } = option
  if (cert === undefined || key === undefined) {
    fail(`The option tls needs both cert and key, as files: ${cert === undefined ? 'cert' : 'key'} is missing.`)
  }
  for (const [name, value] of Object.entries({ cert, key, chain })) {
    if (value === undefined || typeof value === 'string' || value instanceof Uint8Array) continue
    fail(`The member ${name} of the option tls must be the path of a file, or what it holds, not ${show(value)}.`)
  }
  const text = pem('certificate', cert)
  const options = { cert: chain === undefined ? text : `${text}\n${pem('chain', chain)}`, key: pem('key', key) }
  try {
    node.tls.createSecureContext(options)
  } catch (error) {
    const { message } = error as Error // as OpenSSL throws it
    const what = troubleOf(options, message)
    fail(`The certificate ${nameOf(cert)} and the key ${nameOf(key)} cannot be used: ${what}.`)
  }
  return options
}

/** Why a certificate and a key cannot be used; OpenSSL says it of neither, and in words of its own. */
function troubleOf({ cert, key }: Readonly<Record<'cert' | 'key', string>>, message: string): string {
  if (/mismatch/i.test(message)) return 'they are not a pair'
  if (!isCertificate(cert) && isKey(cert) && isCertificate(key) && !isKey(key)) return 'they are the wrong way round'
  if (isLocked(key)) return 'a key with a password cannot be read: give one without, that nobody else may read'
  if (/key/i.test(message) && !/certificate/i.test(message)) return 'the key cannot be read, so it is none in PEM'
  return `they cannot be read as PEM (${message})`
}

function isCertificate(text: string): boolean {
  return /-----BEGIN [A-Z\d ]*CERTIFICATE-----/.test(text)
}

function isKey(text: string): boolean {
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
}

/** Whether a key is encrypted (RFC 7468 §11), in the older form too (RFC 1421 §4.6.1.1). */
function isLocked(text: string): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)
}

/** Who is let in by a certificate is said where TLS ends for clients: the app would not be told whose it was. */
const OF_CLIENTS: ReadonlySet<string> = new Set(['ca', 'requestCert', 'rejectUnauthorized', 'crl'])

function unknownMember(name: string): string {
  if (OF_CLIENTS.has(name))
    return `The option tls has no member ${show(name)}: certificates of clients are the proxy's work.`
  const near = nearest(name, MEMBERS)
  return `The option tls has no member ${show(name)}: ${near === undefined ? `there are ${MEMBERS.join(', ')}.` : `did you mean ${near}?`}`
}

function pem(what: string, given: string | Uint8Array): string {
  const content = contentOf(given)
  if (content !== undefined) return content
  try {
    return readFileSync(String(given), 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'this user may not' : message
    fail(`Cannot read the ${what} ${show(given)}: ${reason}.`)
  }
}

/** What a file holds, where that was given. */
function contentOf(given: string | Uint8Array): string | undefined {
  if (typeof given !== 'string') return Buffer.from(given).toString('utf8')
  return given.includes('-----BEGIN') ? given : undefined
}

/** A key's text stays out of messages. */
function nameOf(given: string | Uint8Array): string {
  return contentOf(given) === undefined ? show(given) : 'that was given'
}
