/** What docs/proxy-protocol.md tells a reader to write can be written. */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { describe, expect, it } from 'vitest'
import { proxyFix } from '../../../src/index.ts'
import { parseProxyProtocol, proxyProtocol, proxyProtocolInfo } from '../../../src/server/proxy-protocol/index.ts'
import type { ProxyProtocolOptions } from '../../../src/server/proxy-protocol/options.ts'
import { checkOptions } from '../../../src/server/proxy-protocol/options.ts'

const page = readFileSync(new URL('../../../docs/proxy-protocol.md', import.meta.url), 'utf8')

const NAMES = { createServer, proxyFix, proxyProtocolInfo }

describe('docs/proxy-protocol.md', () => {
  it.each([...page.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, code = '']) => [code]))(
    'shows code that runs: %s',
    (code) => {
      const used: ProxyProtocolOptions[] = []
      const names = {
        ...NAMES,
        // Nothing is to listen on the port that a page shows.
        proxyProtocol: (server: ReturnType<typeof createServer>, options: ProxyProtocolOptions) => {
          used.push(options)
          return Object.assign(proxyProtocol(server, options), { listen: () => server })
        },
        ...(code.includes('function app') ? {} : { app: () => undefined }),
      }
      const imports = [...code.matchAll(/^import \{ (.*) \} from '(?:node:http|proxyfix|proxyfix\/server)'$/gm)]
      expect(imports.flatMap(([, list = '']) => list.split(', ')).filter((name) => !(name in names))).toStrictEqual([])
      // The page is our own, and its code is what is tested.
      new Function(...Object.keys(names), code.replaceAll(/^import .*$/gm, ''))(...Object.values(names))
      expect(used).toHaveLength(code.includes('proxyProtocol(') ? 1 : 0)
    },
  )

  it('shows a header that is one', () => {
    const [, line = ''] = /^```text\n(PROXY .*)\n```$/m.exec(page) ?? []
    expect(parseProxyProtocol(Buffer.from(`${line}\r\n`))).toMatchObject({
      result: 'proxy',
      source: { address: '203.0.113.7', port: 51234 },
    })
  })

  it('names every option, with its default', () => {
    const checked = checkOptions({ from: '10.0.0.5' })
    const rows = [...page.matchAll(/^\| `(\w+)` +\| `?'?([^`'|]*?)'?`? +\|/gm)].map(([, name = '', value]) => [
      name,
      value,
    ])
    expect(rows).toStrictEqual([
      ['from', 'required'],
      ['others', checked.others],
      ['tls', String(checked.tls)],
      ['timeout', String(checked.timeout)],
      ['maxLength', String(checked.maxLength)],
      ['onRefused', ''],
    ])
  })
})
