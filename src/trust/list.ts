/**
 * Which value of an `X-Forwarded-*` list do we believe?
 *
 * Each proxy appends what it saw, so only the right end of a list is written by proxies that we run;
 * all to the left of it is whatever the client chose to send. Lists are therefore split at commas and
 * at nothing else, and counted from the right. No quoting exists in these headers: if it did, one
 * stray `"` sent by a client could swallow or void the values of the proxies after it (Werkzeug up to
 * 3.1.6 lost its spoofing protection that way; since 3.1.7 it loses the client). Empty items count: if they were dropped,
 * a proxy that appends nothing would let the client's own text move into the trusted place.
 */

const COMMA = ','
const SPACE = 0x20
const TAB = 0x09

/**
 * The `count`-th value from the right (1 is the last), blanks around it removed; `undefined` when the
 * list is shorter. Reads nothing to the left of that value (contract rule 1; RFC 9110 §5.6.1 for OWS).
 */
export function fromRight(list: string, count: number): string | undefined {
  let end = list.length
  for (let left = count; ; left--) {
    // lastIndexOf takes a negative position for 0, so an empty rest needs a case of its own.
    const comma = end === 0 ? -1 : list.lastIndexOf(COMMA, end - 1)
    if (left === 1) return trimBlanks(list, comma + 1, end)
    if (comma === -1) return undefined
    end = comma
  }
}

/** How many values a list that turned out too short does have; bounded by the count that was asked. */
export function countValues(list: string): number {
  let values = 1
  for (let comma = list.indexOf(COMMA); comma !== -1; comma = list.indexOf(COMMA, comma + 1)) values++
  return values
}

function trimBlanks(text: string, start: number, end: number): string {
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}
