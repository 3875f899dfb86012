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
