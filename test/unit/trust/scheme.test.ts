import { describe, expect, it } from 'vitest'
import { defaultPort, httpScheme, isSecure, parseScheme } from '../../../src/trust/scheme.ts'

describe('parseScheme (contract rule 3)', () => {
  it.each([
    ['http', 'http'],
    ['https', 'https'],
    ['ws', 'ws'],
    ['wss', 'wss'],
    ['HTTPS', 'https'],
    ['Ws', 'ws'],
    ['wSS', 'wss'],
  ])('%s is %s', (text, scheme) => {
    expect(parseScheme(text)).toBe(scheme)
  })

  it.each([
    '',
    'h',
    'ftp',
    'file',
    'javascript',
    'httpss',
    'htt',
    'https:',
    'https://',
    ' https',
    'https ',
    '"https"',
    'on',
    '1',
    'ſs',
    'wſ',
    'httpſ',
    'http\0',
    'w\u212a',
  ])('%j is none', (text) => {
    expect(parseScheme(text)).toBeUndefined()
  })
})

describe('what a scheme means', () => {
  it.each([
    { scheme: 'http', secure: false, url: 'http', port: 80 },
    { scheme: 'https', secure: true, url: 'https', port: 443 },
    { scheme: 'ws', secure: false, url: 'http', port: 80 },
    { scheme: 'wss', secure: true, url: 'https', port: 443 },
    { scheme: 'gopher', secure: false, url: 'gopher', port: undefined },
  ])('$scheme', ({ scheme, secure, url, port }) => {
    expect([isSecure(scheme), httpScheme(scheme), defaultPort(scheme)]).toStrictEqual([secure, url, port])
  })
})
