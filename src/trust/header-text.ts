/**
 * What may stand in a header? A name is a token, a value has no control characters (RFC 9110 §5.1, §5.5): a line break
 * in one begins another header, and another response, for whoever reads on (header injection).
 */

/** Whether a text is the name of a header. */
export function isHeaderName(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i.test(text)
}

/** Whether a text can be the value of a header: characters of one byte, no control but the tab. */
export function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}
