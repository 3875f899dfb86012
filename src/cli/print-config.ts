/** What is set, from all sources together? Printed as a config file that says the same. */

import type { ServeSettings } from './serve-settings.ts'

/** Values of secrets do not belong on a screen or in a log; functions have no text. */
function shown(key: string, value: unknown): unknown {
  if (typeof value === 'function') return '(a function)'
  return key === 'values' ? '(a secret)' : value
}

export function printConfig({ settings, proxyFix }: ServeSettings): void {
  process.stdout.write(`${JSON.stringify({ ...settings, ...(proxyFix && { proxyFix }) }, shown, 2)}\n`)
}
