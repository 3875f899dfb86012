/** A self-signed certificate, made as the server makes them: a test machine need not have openssl. */

import { selfSigned } from '../../src/server/self-signed.ts'

export interface Certificate {
  /** PEM. */
  readonly certificate: string
  /** PEM. */
  readonly key: string
}

export function selfSignedCertificate(hostname: string): Certificate {
  const { cert, key } = selfSigned([hostname])
  return { certificate: cert, key }
}
