/**
 * What is a port? Decimal digits without leading zeros, 1-65535 (contract rule 5). No sign, no blank,
 * no fraction: a text that two readers could take for two ports is none.
 */
export function parsePort(text: string): number | undefined {
  if (text.length === 0 || text.length > 5) return undefined
  let port = 0
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - 0x30
    if (digit < 0 || digit > 9 || (digit === 0 && port === 0)) return undefined
    port = port * 10 + digit
  }
  return port <= 65535 ? port : undefined
}
