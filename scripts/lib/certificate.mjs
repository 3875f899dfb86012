/** With which certificate does the demo's proxy speak TLS? A fresh, self-signed one that only the demo trusts. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from './programs.mjs'
import { run } from './run.mjs'

/**
 * @param folder Where the files go.
 * @param name The DNS name that the certificate is for; it is good for 127.0.0.1 too.
 * @returns The certificate and its key, as paths and as text; nothing where there is no openssl.
 */
export async function makeCertificate(folder, name) {
  const openssl = findProgram('openssl')
  if (openssl === undefined) return undefined
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30']
  const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name},IP:127.0.0.1`]
  const { ok, output } = await run(openssl, ['req', ...kind, ...names, '-keyout', keyFile, '-out', certFile])
  if (!ok) throw new Error(`openssl could not make a certificate: ${output.trim().split('\n').at(-1)}`)
  return { keyFile, certFile, key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') }
}
