/**
 * How far to the left do the values of trusted proxies reach?
 *
 * Each proxy appends the address of whoever connected to it. The peer is trusted, so it vouches for the last value;
 * if that is a trusted proxy's address, the one before it is vouched for as well, and so on. The first that is no
 * trusted proxy is the client. **The attack** is a list that names our own proxies: it does not help, as the walk
 * comes from the right and the client's real address stands before anything the client wrote.
 */

import { addressRead, endpointOfRead, readForwardedFor, readLastIPv4, readPeer } from './address.ts'
import type { AddressSet } from './address-set.ts'
import type { Client } from './connection.ts'
import { elementStart, type ForwardedElement, parseElement, parseNode } from './forwarded.ts'
import { commaBefore, cut, dropBlanks, skipBlanks, trimBlanks } from './list.ts'

/** What may be wrong with the value at which a walk ended; `bad` is an element that breaks the grammar as a whole. */
export type Flaw = 'short' | 'absent' | 'empty' | 'invalid' | 'bad'

/** Where a walk through the values of the For field ended. */
export interface Walk {
  /** The client, where a value tells who it is. */
  readonly client: Client | undefined
  /** The place of the client's value, counted from the right; 0: there is none, so the peer is the client. */
  readonly place: number
  /** The place of the last value that was read: no other field is believed further left. */
  readonly end: number
  /** What was wrong with that value, if anything, and its text; with a list that is short, all of it. */
  readonly flaw: Flaw | undefined
  readonly text: string
  /** In `Forwarded` the element of the client's place, or why it tells nothing; in other lists `undefined`. */
  readonly element: ForwardedElement | 'empty' | 'bad' | 'none' | undefined
}

/** How far a walk goes, and past whom. */
export interface WalkLimits {
  /** The last place that may be read. */
  readonly places: number
  /** Whether there must be as many values: a list with fewer is short, where else its leftmost is the client. */
  readonly isCount: boolean
}

/** Walks through a list of `X-Forwarded-For`, past the addresses of `proxies`. */
export function walkList(list: string, proxies: AddressSet, { places, isCount }: WalkLimits): Walk {
  let end = list.length
  let [startBefore, endBefore] = [0, 0]
  for (let place = 1; ; place++) {
    const isIPv4 = readLastIPv4(list, end) // as nearly always: cut off and read in one pass
    const comma = commaBefore(list, isIPv4 ? addressRead.start : end)
    const start = isIPv4 ? addressRead.start : skipBlanks(list, comma + 1, end)
    const stop = isIPv4 ? end : dropBlanks(list, start, end)
    if (!isIPv4 && !readForwardedFor(list, start, stop)) {
      const flaw = start === stop ? 'empty' : 'invalid'
      const text = cut(list, start, stop)
      if (isCount) return { client: undefined, place, end: place, flaw, text, element: undefined }
      // The hop that presented it is the last that is known.
      const client = place > 1 && readForwardedFor(list, startBefore, endBefore) ? endpointOfRead(list) : undefined
      return { client, place: place - 1, end: place, flaw, text, element: undefined }
    }
    const isProxy = place < places && proxies.hasRead(list)
    if (isProxy && comma !== -1) {
      ;[startBefore, endBefore, end] = [start, stop, comma]
      continue
    }
    if (isProxy && isCount) return short(list, undefined)
    return { client: endpointOfRead(list), place, end: place, flaw: undefined, text: '', element: undefined }
  }
}

/**
 * Walks through the elements of `Forwarded`, past the addresses of `proxies`; where there are none to know, past
 * whatever the elements say.
 */
export function walkElements(header: string, proxies: AddressSet | undefined, { places, isCount }: WalkLimits): Walk {
  let end = header.length
  let before: { readonly client: Client; readonly element: ForwardedElement } | undefined
  for (let place = 1; ; place++) {
    const from = elementStart(header, end)
    const start = Math.max(from, 0)
    if (proxies === undefined && place < places) {
      if (start === 0) return short(header, 'none')
      end = start - 1
      continue
    }
    const element = from === -1 ? 'bad' : parseElement(header, start, end)
    const node = typeof element === 'string' ? undefined : element.for
    const client = node === undefined ? undefined : parseNode(node)
    const isProxy = place < places && client?.address !== undefined && has(proxies, client.address)
    if (isProxy && start > 0 && typeof element === 'object') {
      before = { client, element }
      end = start - 1
      continue
    }
    if (isProxy && isCount) return short(header, 'none')
    const flaw = client === undefined ? flawOf(element) : undefined
    const text = node ?? trimBlanks(header, start, end)
    if (client !== undefined || isCount) return { client, place, end: place, flaw, text, element }
    return { client: before?.client, place: place - 1, end: place, flaw, text, element: before?.element ?? 'none' }
  }
}

/** A list with fewer values than are counted, all of them proxies': no other field is held back by it. */
function short(list: string, element: Walk['element']): Walk {
  return { client: undefined, place: 0, end: Infinity, flaw: 'short', text: list, element }
}

function has(proxies: AddressSet | undefined, address: string): boolean {
  return proxies !== undefined && readPeer(address) && proxies.hasRead(address)
}

function flawOf(element: ForwardedElement | 'empty' | 'bad'): Flaw {
  if (element === 'bad') return 'bad'
  if (element === 'empty' || element.for === '') return 'empty'
  return element.for === undefined ? 'absent' : 'invalid'
}
