/** Why was a value not used? One clause for each way in which one can be wrong, as operators read it. */

import { type Field, FIELDS } from './connection.ts'
import { elementsFromRight } from './forwarded.ts'
import { countValues } from './list.ts'
import { TRUSTED } from './options.ts'
import type { TrustPolicy } from './policy.ts'
import { FOR } from './verdicts.ts'
import type { Flaw } from './walk.ts'

/** What a value of each field has to be. */
export const GRAMMARS: Readonly<Record<Field, string>> = {
  for: 'it is not an IP address with or without a port',
  proto: 'it is not http, https, ws or wss',
  host: 'it is not a host name or address with or without a port',
  port: 'it is not a port from 1 to 65535',
  prefix: 'it is not a path of plain segments after one slash',
}
const NODE_GRAMMAR = 'it is not an IP address (IPv6 in brackets), unknown or an _identifier, with or without a port'
export const ONE_ADDRESS = 'it is not one IP address with or without a port'
export const ELEMENT_GRAMMAR = 'its element breaks the grammar of RFC 7239 or names a parameter twice'
export const IS_EMPTY = 'it is empty'

/** Why a list with too few values says nothing. */
export function shortReason(list: string, index: number, { checked }: TrustPolicy): string {
  const field = FIELDS[index]!
  const values = checked.family === 'forwarded' ? elementsFromRight(list, Infinity).length : countValues(list)
  const count = checked.counts[field]
  const wanted = count === TRUSTED ? 'the client stands further left' : `${checked.settings[field]} is ${count}`
  return `${checked.sources[field]} has ${values === 1 ? '1 value' : `${values} values`}, ${wanted}`
}

/** Why a walk ended where it did. */
export function walkReason(flaw: Flaw, text: string, policy: TrustPolicy): string {
  switch (flaw) {
    case 'short':
      return shortReason(text, FOR, policy)
    case 'absent':
      return 'its element has no for parameter'
    case 'empty':
      return IS_EMPTY
    case 'bad':
      return ELEMENT_GRAMMAR
    case 'invalid':
      return policy.checked.family === 'forwarded' ? NODE_GRAMMAR : GRAMMARS.for
  }
}
