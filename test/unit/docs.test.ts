/** What docs/trusting-headers.md tells a reader to write can be written: each of its settings is legal. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { trustPolicy, type ProxyFixOptions } from '../../src/index.ts'

const page = readFileSync(new URL('../../docs/trusting-headers.md', import.meta.url), 'utf8')

/** Each block of code under its heading, numbered where there are more. */
const settings: [heading: string, code: string][] = []
let heading = ''
for (const [, title, code] of page.matchAll(/^#+ (.*)$|^```js\n([^]*?)^```$/gm)) {
  if (title === undefined) settings.push([`${heading} (${settings.length + 1})`, code ?? ''])
  else heading = title
}

describe('docs/trusting-headers.md', () => {
  it('shows a setting for each of its topologies', () => {
    expect(settings.length).toBeGreaterThan(15)
  })

  it.each(settings)('shows a setting that is legal: %s', (_, code) => {
    const used: ProxyFixOptions[] = []
    const use = (options: ProxyFixOptions): void => void used.push(options)
    // The page is our own, and its code is what is tested.
    new Function('app', 'proxyFix', 'trustPolicy', code)(
      undefined,
      (_app: unknown, options: ProxyFixOptions) => use(options),
      use,
    )
    expect(used).toHaveLength(1)
    expect(() => trustPolicy(used[0])).not.toThrow()
    // What a reviewer is told to hand on has no danger but one that the page tells of itself.
    expect(trustPolicy(used[0]).warnings.filter((warning) => !warning.startsWith('Hop counts believe'))).toEqual([])
  })
})
