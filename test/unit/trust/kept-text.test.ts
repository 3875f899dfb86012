/**
 * How much does a program keep that remembers clients, as a rate limiter does? V8 keeps the whole of a text for as long as
 * anybody keeps a piece of it: a client that writes 16 KB before each of its addresses would fill the memory with them.
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { ConnectionInfo, ProxyFixOptions } from '../../../src/index.ts'
import { resolveConnection } from '../../../src/index.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const MEGABYTE = 2 ** 20
const REQUESTS = 2000

/** As a header comes out of Node's parser: one piece of memory. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** What the heap holds more when this was kept of so many requests, whose header has 16 KB of the client's before its value. */
function keptOf(
  header: string,
  value: string,
  options: ProxyFixOptions,
  piece: (info: ConnectionInfo) => unknown,
): number {
  const pieces: unknown[] = []
  const request = (): ConnectionInfo => {
    const headers = { [header]: flat(`${'for=6.6.6.6, '.repeat(1250)}${value}`) }
    return resolveConnection({ peer: { address: '10.0.0.1' }, scheme: 'http', headers }, options)
  }
  pieces.push(piece(request()))
  gc()
  const before = process.memoryUsage().heapUsed
  for (let index = 0; index < REQUESTS; index++) pieces.push(piece(request()))
  gc()
  const after = process.memoryUsage().heapUsed
  expect(pieces.at(-1)).toBeTypeOf('string')
  return after - before
}

describe('what is kept of long headers', () => {
  const forwarded = { forwarded: 1 }
  it.each<[string, string, string, ProxyFixOptions, (info: ConnectionInfo) => unknown]>([
    ['an IPv4 address', 'x-forwarded-for', '203.113.113.113', { xFor: 1 }, ({ client }) => client.address],
    ['one with a port', 'x-forwarded-for', '203.113.113.113:4711', { xFor: 1 }, ({ client }) => client.address],
    ['an IPv6 address', 'x-forwarded-for', '2001:db8:1:2:3:4:5:6', { xFor: 1 }, ({ client }) => client.address],
    [
      'one of a walk',
      'x-forwarded-for',
      '203.113.113.113',
      { xFor: 'trusted', trustedProxies: '10.0.0.0/8' },
      ({ client }) => client.address,
    ],
    ['a host', 'x-forwarded-host', 'a-long-name.example', { xHost: 1 }, ({ host }) => host],
    ['its name', 'x-forwarded-host', 'a-long-name.example:81', { xHost: 1 }, ({ hostname }) => hostname],
    ['a prefix', 'x-forwarded-prefix', '/a-long-prefix', { xPrefix: 1 }, ({ prefix }) => prefix],
    ['an address in Forwarded', 'forwarded', 'for=203.113.113.113', forwarded, ({ client }) => client.address],
    [
      'one with a port in Forwarded',
      'forwarded',
      'for="203.113.113.113:4711"',
      forwarded,
      ({ client }) => client.address,
    ],
    [
      'an IPv6 address in Forwarded',
      'forwarded',
      'for="[2001:db8:1:2:3:4:5:6]"',
      forwarded,
      ({ client }) => client.address,
    ],
    ['a node in Forwarded', 'forwarded', 'for=_an-obfuscated-node', forwarded, ({ client }) => client.node],
    ['a host in Forwarded', 'forwarded', 'for=1.1.1.1;host=a-long-name.example', forwarded, ({ host }) => host],
    ['a rejected value', 'x-forwarded-for', 'no address but a text', { xFor: 1 }, ({ rejected }) => rejected[0]?.value],
  ])('%s is as long as itself', (_, header, value, options, piece) => {
    expect(keptOf(header, value, options, piece)).toBeLessThan(2 * MEGABYTE)
  })
})
