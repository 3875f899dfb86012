/** The certificate for an hour of trying things out, and what is said of files that cannot be used. */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { selfSigned } from '../../../src/server/self-signed.ts'
import { readTls, type TlsOption } from '../../../src/server/tls.ts'

describe('a self-signed certificate', () => {
  // Lengths of the name move every boundary of the encoding.
  it.each(
    Array.from({ length: 70 }, (_, index) => `${'a'.repeat(index % 60)}${'b.'.repeat(index > 59 ? 60 : 1)}example`),
  )('for %s is one that OpenSSL reads, and proves itself', (name) => {
    const { cert, key } = selfSigned([name, '127.0.0.1'])
    const certificate = new X509Certificate(cert)
    expect(certificate.subjectAltName).toBe(`DNS:${name}, IP Address:127.0.0.1`)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(cert).not.toContain('\n\n')
    expect(() => createSecureContext({ cert, key })).not.toThrow()
  })

  it('is never the same twice, as browsers refuse a serial number that they have met', () => {
    const numbers = Array.from({ length: 10 }, () => new X509Certificate(selfSigned(['localhost']).cert).serialNumber)
    expect(new Set(numbers).size).toBe(10)
  })
})

/** A key that only a password opens. */
function locked(type: 'pkcs8' | 'sec1'): string {
  const { key } = selfSigned(['localhost'])
  return createPrivateKey(key).export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }) as string // as of PEM
}

describe('readTls', () => {
  let folder: string
  let write: (name: string, content: string) => string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'proxyfix-tls-'))
    write = (name, content) => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    }
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('takes files, text, and a chain in a file of its own', () => {
    const { cert, key } = selfSigned(['localhost'])
    const chain = selfSigned(['ca.example']).cert
    const files = { cert: write('cert.pem', cert), key: write('key.pem', key) }
    expect(readTls(files)).toStrictEqual({ cert, key })
    expect(readTls({ cert, key })).toStrictEqual({ cert, key })
    expect(readTls({ cert: Buffer.from(cert), key: new TextEncoder().encode(key) })).toStrictEqual({ cert, key })
    expect(readTls({ ...files, chain: write('chain.pem', chain) })).toStrictEqual({ cert: `${cert}\n${chain}`, key })
  })

  it('makes one certificate for adhoc, and gives it again', () => {
    expect(readTls('adhoc')).toBe(readTls('adhoc'))
  })

  it.each<[name: string, option: () => unknown, says: string]>([
    ['a number', () => 1, "{ cert, key } or 'adhoc', not 1"],
    ['a word', () => 'yes', "'adhoc', not 'yes'"],
    ['no key', () => ({ cert: 'c.pem' }), 'key is missing'],
    ['no certificate', () => ({ key: 'k.pem' }), 'cert is missing'],
    [
      'a missing file',
      () => ({ cert: '/gone.pem', key: '/gone.pem' }),
      "certificate '/gone.pem': there is no such file",
    ],
    ['text that is no PEM', () => ({ cert: write('a', 'x'), key: write('b', 'x') }), 'cannot be read as PEM'],
    ['a bad key', () => ({ cert: selfSigned(['a']).cert, key: write('c', 'x') }), 'cannot be used'],
    [
      'swapped files',
      () => {
        const { cert, key } = selfSigned(['a'])
        return { cert: write('d.pem', key), key: write('e.pem', cert) }
      },
      'they are the wrong way round',
    ],
    [
      'swapped text',
      () => ({ cert: selfSigned(['a']).key, key: selfSigned(['a']).cert }),
      'they are the wrong way round',
    ],
    [
      'swapped text with a password',
      () => ({ cert: locked('pkcs8'), key: selfSigned(['a']).cert }),
      'the wrong way round',
    ],
    ...(['pkcs8', 'sec1'] as const).map((type): [string, () => unknown, string] => [
      `a key with a password (${type})`,
      () => ({ cert: selfSigned(['a']).cert, key: write(type, locked(type)) }),
      'a key with a password cannot be read: give one without, that nobody else may read.',
    ]),
    ['others’ key', () => ({ cert: selfSigned(['a']).cert, key: selfSigned(['a']).key }), 'they are not a pair'],
  ])('refuses %s in one sentence', (_, option, says) => {
    const attempt = (): unknown => readTls(option() as TlsOption) // as a caller without types would
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION' }))
    expect(attempt).toThrow(says)
    expect(attempt).toThrow(/^[^\n]+\.$/)
    expect(attempt).not.toThrow(/PRIVATE KEY/)
  })
})
