/** The least that anybody can do, written by hand: what else is measured is told in times of it. */

import { isIP } from 'node:net'

/** One check of the last value: the least that anybody can do who answers with an address. */
export const lastAddress = (value) => {
  const last = value.slice(value.lastIndexOf(',') + 1).trim()
  return isIP(last) === 0 ? undefined : last
}

/** The same with two more headers, validated. */
export const lastThree = ({ headers }) => {
  const last = lastAddress(headers['x-forwarded-for'])
  const scheme = headers['x-forwarded-proto']
  const host = headers['x-forwarded-host']
  if (last === undefined || (scheme !== 'http' && scheme !== 'https')) return undefined
  for (let index = 0; index < host.length; index++) {
    const code = host.charCodeAt(index) | 0x20
    if ((code < 0x61 || code > 0x7a) && code !== 0x2e && code !== 0x2d && (code < 0x30 || code > 0x39)) return undefined
  }
  return { address: last, scheme, host }
}

/**
 * The least that sets the same places: one hop, whose headers are spelt as here and come in one line each, valid or not
 * fixed at all. It knows nothing of other headers that tell the client, other spellings, refusals, prefixes, upgrades or
 * HTTP/2, and keeps of what was received only the lines.
 */
export function fixByHand(handler) {
  const shown = new Set(['remoteAddress', 'remotePort', 'remoteFamily', 'encrypted'])
  const view = {
    get: (record, key) => (shown.has(key) ? record[key] : record.socket[key]),
    has: (record, key) => shown.has(key) || key in record.socket,
  }
  return (req, res) => {
    const { headers, rawHeaders: lines } = req
    const received = lines.slice()
    const { address, scheme, host } = lastThree(req)
    headers['x-forwarded-for'] = address
    headers.host = host
    for (let index = 0; index < lines.length; index += 2) {
      switch (lines[index]) {
        case 'Host':
          lines[index + 1] = host
          break
        case 'X-Forwarded-For':
          lines[index + 1] = address
          break
      }
    }
    const family = address.includes(':') ? 'IPv6' : 'IPv4'
    const encrypted = scheme === 'https'
    const end = { remoteAddress: address, remotePort: undefined, remoteFamily: family, encrypted, socket: req.socket }
    req.socket = req.client = new Proxy(end, view)
    req[FIX] = { address, scheme, host, received }
    return handler(req, res)
  }
}
const FIX = Symbol('fix')
