/** What docs/trusting-headers.md tells a reader to write can be written, and what it says comes of it does. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { explain, fixRequest, trustPolicy, type ProxyFixOptions } from '../../src/index.ts'

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
    // What a reviewer is told to hand on has no danger but one that the page tells of itself, and the secrets that it
    // shows must not be used: whoever copies one is warned.
    const warnings = trustPolicy(used[0]).warnings.filter((warning) => !warning.startsWith('Hop counts believe'))
    const ofSecret = warnings.filter((warning) => warning.startsWith('A value of secret'))
    expect(ofSecret).toHaveLength(used[0]?.secret === undefined ? 0 : 1)
    expect(warnings).toEqual(ofSecret)
  })

  it('shows what explain says of the request that its reader measured', () => {
    const [, shown = ''] = /^```text\n([^]*?)^```$/m.exec(page) ?? []
    const headers = {
      'X-Forwarded-For': '192.0.2.66, 203.0.113.9, 198.51.100.20',
      'X-Forwarded-Proto': 'https',
    }
    const facts = { peer: { address: '10.0.0.5' }, scheme: 'http', host: 'www.example.com', headers }
    const options = { xFor: 2, xProto: 1, trustedProxies: 'private,198.51.100.0/24' }
    const clients = ({ otherCounts }: ReturnType<typeof explain>): unknown[] =>
      otherCounts.map(({ hops, client }) => [hops, client.address])

    expect(String(explain(facts, options))).toContain(`\n${shown}`)
    expect(clients(explain(facts, options))).toEqual([
      [0, '10.0.0.5'],
      [1, '198.51.100.20'],
      [2, '203.0.113.9'],
      [3, '203.0.113.9'],
    ])
    expect(clients(explain(facts, { ...options, trustedProxies: undefined }))).toEqual([
      [0, '10.0.0.5'],
      [1, '198.51.100.20'],
      [2, '203.0.113.9'],
      [3, '192.0.2.66'],
    ])
  })

  describe('lists the headers that proxyfix knows', () => {
    const [, section = ''] = /^### The headers that proxyfix knows$([^]*?)^## /m.exec(page) ?? []
    const [decided = [], removed = [], left = []] = section
      .split(/^- /m)
      .slice(1)
      .map((item) => [...item.matchAll(/`([A-Za-z]+(?:-[A-Za-z\d]+)+|Forwarded)`/g)].map(([, name = '']) => name))

    const ADDRESS = '203.0.113.7'
    const SENT: Readonly<Record<string, string>> = {
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': 'www.example.com',
      'X-Forwarded-Port': '80',
      'X-Forwarded-Prefix': '/app',
    }
    /** What a header holds afterwards, where it was sent with a lie beside what the proxy says. */
    const after = (name: string, value: string, proxyFixOptions: ProxyFixOptions = { xPrefix: 1 }): string | null => {
      const headers = { 'X-Forwarded-For': ADDRESS, 'X-Forwarded-Prefix': '/app', [name]: value }
      const request = new Request('http://www.example.com/', { headers })
      return fixRequest(request, proxyFixOptions).headers.get(name)
    }

    it('in three groups', () => {
      expect([decided.length, removed.length, left.length]).toEqual([14, 14, 4])
    })

    it.each(decided)('%s holds the one decided value', (name) => {
      expect(after(name, `6.6.6.6, ${SENT[name] ?? ADDRESS}`)).toBe(SENT[name] ?? ADDRESS)
      expect(after(name.replace('-', '_'), '6.6.6.6')).toBeNull()
      expect(after(name.replaceAll('-', '.'), '6.6.6.6')).toBeNull()
      expect(
        after(name, '6.6.6.6', { secret: { header: 'X-Proof', values: 'a long text that nobody sent' } }),
      ).toBeNull()
    })

    it.each(removed)('%s is removed', (name) => {
      expect(after(name, 'for=6.6.6.6')).toBeNull()
      if (name.includes('-')) expect(after(name.replaceAll('-', '_'), '6.6.6.6')).toBeNull()
    })

    it.each(left)('%s stays as it was sent', (name) => {
      expect(after(name, '6.6.6.6')).toBe('6.6.6.6')
    })
  })
})
