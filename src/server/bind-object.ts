/**
 * Is an object an address to listen on? Each member is looked at: one that is misspelt, or has a value that Node passes
 * over, would let the server listen wider than was asked for, or with a mode that was never meant.
 */

import { isIPv6 } from 'node:net'
import { parseAuthority } from '../trust/authority.ts'
import { fail, show } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import { type Bind, isBacklog, MAX_PATH, MAX_PORT } from './bind.ts'

/** What a member must be, and the end of the sentence when it is not. */
type Rule = readonly [isFit: (value: unknown) => boolean, wanted: string]

const EVERYWHERE: Readonly<Record<string, Rule>> = {
  backlog: [isBacklog, 'a whole number of connections, 1 or more'],
  proxyProtocol: [Array.isArray, 'a list of senders'], // whom it names is looked at where they are received
}

/** The members of each kind of address, after the one that tells the kind. */
const KINDS: ReadonlyMap<string, Readonly<Record<string, Rule>>> = new Map<string, Readonly<Record<string, Rule>>>([
  [
    'port',
    {
      port: [(value) => isWhole(value, MAX_PORT), 'a whole number, 0 to 65535'],
      host: [isHost, 'a name or an address, IPv6 without brackets; without it, every interface is listened on'],
      ipv6Only: [(value) => typeof value === 'boolean', 'true or false'],
      tls: [isPlain, 'an object like { cert, key }'], // what it names is looked at where it is read
    },
  ],
  [
    'path',
    {
      path: [isPath, `the path of a file, of ${MAX_PATH} bytes at most`],
      mode: [(value) => isWhole(value, 0o777), 'a number like 0o660'],
    },
  ],
  ['fd', { fd: [(value) => isWhole(value, 2 ** 31 - 1), 'the number of a file descriptor'] }],
  [
    'systemd',
    {
      systemd: [(value) => value === true, 'true'],
      name: [(value) => typeof value === 'string' && value !== '', 'the name of a socket'],
    },
  ],
])

/** What others call a member. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['hostname', 'host'],
  ['address', 'host'],
  ['interface', 'host'],
  ['unix', 'path'],
  ['socket', 'path'],
  ['file', 'path'],
])

/**
 * Checks an address that is given as an object.
 * @returns What it says at this moment.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, naming the member, its value and the remedy.
 */
export function checkBindObject(given: object): Bind {
  const bind: Readonly<Record<string, unknown>> = { ...given }
  const kinds = [...KINDS.keys()].filter((name) => name in bind)
  const all = [...KINDS.values(), EVERYWHERE].flatMap((rules) => Object.keys(rules))
  for (const name of Object.keys(bind)) {
    if (all.includes(name)) continue
    const near = MEANT.get(name) ?? nearest(name, all)
    fail(
      `The option bind has no member ${show(name)}: ${near === undefined ? `there are ${all.join(', ')}.` : `did you mean ${near}?`}`,
    )
  }
  const [kind, other] = kinds
  if (kind === undefined)
    fail("The option bind names no address: give { port }, { path }, { fd }, or text like ':8000'.")
  if (other !== undefined) fail(`The option bind has ${kind} and ${other}: give each address an object of its own.`)
  const rules: Readonly<Record<string, Rule>> = { ...KINDS.get(kind), ...EVERYWHERE }
  for (const [name, value] of Object.entries(bind)) {
    const rule = rules[name]
    if (rule === undefined)
      fail(`The option bind has ${kind} and ${name}, which does not go with it: leave out one of them.`)
    const [isFit, wanted] = rule
    if (!isFit(value)) fail(`The member ${name} of the option bind must be ${wanted}, not ${show(value)}.`)
  }
  return bind as unknown as Bind // as its rules hold
}

function isWhole(value: unknown, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most
}

function isHost(value: unknown): boolean {
  if (typeof value !== 'string') return false
  return isIPv6(value) || (!/[:[\]]/.test(value) && parseAuthority(value)?.hostname !== undefined)
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !value.includes('\0') && Buffer.byteLength(value) <= MAX_PATH
}

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
