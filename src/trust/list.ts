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

const COMMA = 0x2c
const SPACE = 0x20
const TAB = 0x09

/**
 * The `count`-th value from the right (1 is the last), blanks around it removed; `undefined` when the
 * list is shorter. Reads nothing to the left of that value (contract rule 1; RFC 9110 §5.6.1 for OWS).
 */
export function fromRight(list: string, count: number): string | undefined {
  // Most headers hold one value: `indexOf` looks at a short text at once, a loop at 2 ns a character.
  if (count === 1 && list.length <= NEAR && !list.includes(',')) return wholeValue(list)
  const end = endFromRight(list, count)
  return end === -1 ? undefined : trimBlanks(list, commaBefore(list, end) + 1, end)
}

/** Where the `count`-th value from the right ends; -1 when the list is shorter. */
export function endFromRight(list: string, count: number): number {
  let end = list.length
  for (let left = count; left > 1 && end !== -1; left--) end = commaBefore(list, end)
  return end
}

/** The last values of a list, at most `most`, from the right. */
export function valuesFromRight(list: string, most: number): string[] {
  const values: string[] = []
  for (let end = list.length; end >= 0 && values.length < most;) {
    const comma = commaBefore(list, end)
    values.push(trimBlanks(list, comma + 1, end))
    end = comma
  }
  return values
}

/** The one value of a header that is no list, blanks around it removed. */
export function wholeValue(text: string): string {
  return trimBlanks(text, 0, text.length)
}

// Longer than any value of ours; `lastIndexOf` costs 60 ns to call, a character looked at about 1 ns.
const NEAR = 48

/** Where the last comma before `end` stands, -1 when there is none. */
export function commaBefore(list: string, end: number): number {
  const far = end > NEAR ? end - NEAR : 0
  for (let index = end - 1; index >= far; index--) if (list.charCodeAt(index) === COMMA) return index
  return far === 0 ? -1 : list.lastIndexOf(',', far - 1)
}

/** The start of `list[start, end)` without the blanks before it. */
export function skipBlanks(list: string, start: number, end: number): number {
  while (start < end && isBlank(list.charCodeAt(start))) start++
  return start
}

/** The end of `list[start, end)` without the blanks after it. */
export function dropBlanks(list: string, start: number, end: number): number {
  while (end > start && isBlank(list.charCodeAt(end - 1))) end--
  return end
}

/** How many values a list that turned out too short does have; bounded by the count that was asked. */
export function countValues(list: string): number {
  let values = 1
  for (let comma = list.indexOf(','); comma !== -1; comma = list.indexOf(',', comma + 1)) values++
  return values
}

/** The text of `list[from, to)` without the blanks around it. */
export function trimBlanks(list: string, from: number, to: number): string {
  const start = skipBlanks(list, from, to)
  return cut(list, start, dropBlanks(list, start, to))
}

/** Longer texts are not kept alive by what was cut out of them. */
const MOST_KEPT = 256
/** V8 copies what is shorter. */
const LEAST_REFERENCE = 13

/**
 * `text.slice(start, end)`, whose memory is its own. V8 keeps a whole text for as long as anybody keeps a piece of it: who
 * remembers clients, as a rate limiter does, would remember the 16 KB that each has sent before its address.
 */
export function cut(text: string, start: number, end: number): string {
  const piece = text.slice(start, end)
  const isCopied = text.length > MOST_KEPT && piece.length >= LEAST_REFERENCE && piece.length < text.length
  return isCopied ? ` ${piece}`.slice(1) : piece // of a text of its own, as the two have to be put together
}

/** Whether a character is a blank or a tab. */
export function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}
