/** Static mounts: whatever path is asked for, what is answered is a file that lies in the folder, or the app's answer. */

import fc from 'fast-check'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseStaticMount, staticFiles } from '../../src/server/static-files.ts'
import { close, exchange, listen, requestText } from '../fixtures/raw-http.ts'
import { PROPERTY_TIMEOUT, WIRE_RUNS } from './runs.ts'

let home: string
let server: Server
let port: number

beforeAll(async () => {
  home = mkdtempSync(join(realpathSync(tmpdir()), 'proxyfix-static-property-'))
  for (const folder of ['public/a/b', 'public/.git', 'a']) mkdirSync(join(home, folder), { recursive: true })
  for (const file of ['f', 'a/f', 'a/b/f']) writeFileSync(join(home, 'public', file), 'PUBLIC')
  for (const file of ['f', 'a/f', 'public/.f', 'public/.git/f', 'public/a/.f'])
    writeFileSync(join(home, file), 'SECRET')
  symlinkSync('..', join(home, 'public/up'))
  symlinkSync('/', join(home, 'public/a/root'))
  symlinkSync('../.git', join(home, 'public/a/link'))
  const mount = parseStaticMount('/p=public', home)
  server = createServer(staticFiles([mount], (_req, res) => res.end('APP')))
  port = await listen(server)
})
afterAll(async () => {
  await close(server)
  rmSync(home, { recursive: true })
})

const segment = fc.oneof(
  fc.constantFrom('a', 'b', 'f', 'up', 'root', 'link', 'public', 'p', '.f', '.git', '..', '.', '', '...'),
  fc.constantFrom(
    '%2e%2e',
    '%2E.',
    '..%2f',
    '%2f',
    '%5c',
    '..\\',
    '%00',
    '%252e%252e',
    '%c0%ae',
    'f%00',
    '~',
    ';',
    '%',
  ),
)
const path = fc.array(fc.tuple(segment, fc.constantFrom('/', '/', '/', '//', '\\', '%2f', '')), { maxLength: 8 })

it(
  'leads out of no folder',
  async () => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(path, async (parts) => {
        const target = `/p/${parts.flat().join('')}`
        const answer = await exchange(port, requestText(`GET ${target} HTTP/1.1`, 'Host: a', 'Connection: close'))
        expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*(?:PUBLIC|APP)[^]*$/)
        expect(answer).not.toContain('SECRET')
        seen.add(answer.includes('PUBLIC') ? 'file' : 'app')
      }),
      {
        numRuns: WIRE_RUNS,
        examples: [
          [
            [
              ['a', '/'],
              ['f', ''],
            ],
          ],
          [
            [
              ['up', '/'],
              ['f', ''],
            ],
          ],
        ],
      },
    )
    expect([...seen].toSorted()).toEqual(['app', 'file'])
  },
  PROPERTY_TIMEOUT,
)
