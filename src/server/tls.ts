/** With which certificate does the server speak TLS? Files are read at construction, and again when it is told to. */

import { readFileSync } from 'node:fs'
import type { SecureContextOptions } from 'node:tls'
import { fail, show } from '../trust/error.ts'
import { node } from './node.ts'
import { type SelfSigned, selfSigned } from './self-signed.ts'

/** A certificate and its key, each as a file or as PEM text. */
export interface TlsFiles {
  /** The certificate, with those that it depends on after it. */
  readonly cert: string
  readonly key: string
  /** Further certificates of the chain, where they stand in a file of their own. */
  readonly chain?: string | undefined
}

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
  const { cert, key, chain } = option
  if (typeof cert !== 'string' || typeof key !== 'string') {
    fail(`The option tls needs both cert and key, as files: ${typeof cert === 'string' ? 'key' : 'cert'} is missing.`)
  }
  const text = pem('certificate', cert)
  const options = { cert: chain === undefined ? text : `${text}\n${pem('chain', chain)}`, key: pem('key', key) }
  try {
    node.tls.createSecureContext(options)
  } catch (error) {
    const { message } = error as Error // as OpenSSL throws it
    const what = /mismatch/i.test(message)
      ? `they are not a pair`
      : /key/i.test(message) && !/certificate/i.test(message)
        ? 'the key cannot be read, so it is none in PEM, or has a passphrase'
        : `they cannot be read as PEM (${message})`
    fail(`The certificate ${nameOf(cert)} and the key ${nameOf(key)} cannot be used: ${what}.`)
  }
  return options
}

function pem(what: string, fileOrText: string): string {
  if (fileOrText.includes('-----BEGIN')) return fileOrText
  try {
    return readFileSync(fileOrText, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'this user may not' : message
    fail(`Cannot read the ${what} ${show(fileOrText)}: ${reason}.`)
  }
}

/** A key's text stays out of messages. */
function nameOf(fileOrText: string): string {
  return fileOrText.includes('-----BEGIN') ? 'that was given' : show(fileOrText)
}
