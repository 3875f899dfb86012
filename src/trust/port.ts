/**
 * What is a port? Decimal digits without leading zeros, 1-65535 (contract rule 5). No sign, no blank,
 * no fraction: a text that two readers could take for two ports is none.
 */
export function parsePort(text: string): number | undefined {
  return readPort(text, 0, text.length) || undefined
}

/** The port written in `text[start, end)`; 0 when there is none. */
export function readPort(text: string, start: number, end: number): number {
  if (end - start < 1 || end - start > 5) return 0
  let port = 0
  for (let index = start; index < end; index++) {
    const digit = text.charCodeAt(index) - 0x30
    if (digit < 0 || digit > 9 || (digit === 0 && port === 0)) return 0
    port = port * 10 + digit
  }
  return port <= 65535 ? port : 0
}
