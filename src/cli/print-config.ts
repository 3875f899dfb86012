/** What is set, from all sources together? Printed as a config file that says the same. */

import { SETTINGS } from '../server/settings.ts'
import type { ServeSettings } from './serve-settings.ts'

/** Values of secrets do not belong on a screen or in a log; functions have no text. */
function shown(key: string, value: unknown): unknown {
  if (typeof value === 'function') return '(a function)'
  return key === 'values' ? '(a secret)' : value
}

/** Where a config file is looked for, a config file cannot say. */
const TYPED_ONLY: ReadonlySet<string> = new Set(
  SETTINGS.filter(({ only }) => only === 'command').map(({ name }) => name),
)

export function printConfig({ settings, proxyFix }: ServeSettings): void {
  const inFile = Object.fromEntries(Object.entries(settings).filter(([name]) => !TYPED_ONLY.has(name)))
  process.stdout.write(`${JSON.stringify({ ...inFile, ...(proxyFix && { proxyFix }) }, shown, 2)}\n`)
}
