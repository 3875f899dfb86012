/** What is set in a config file, beside the command line and the environment. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { launch, run, type Serving } from './program.ts'
import { ask } from './wire.ts'

let folder: string
let server: Serving | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-config-file-'))
  write('app.cjs', 'module.exports = (req, res) => res.end(req.socket.remoteAddress)')
})
afterEach(async () => {
  await server?.stop()
  server = undefined
  rmSync(folder, { recursive: true })
})

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}

/** Who the app takes the client for. */
async function clientSeen(args: readonly string[] = []): Promise<string> {
  server = await launch([...args, 'app.cjs'], { folder })
  const { body } = await ask({ to: server.url, host: 'a', headers: [['X-Forwarded-For', '203.0.113.7']] })
  return body
}

const stripsTypes = Boolean((process.features as { typescript?: unknown }).typescript) // from Node 22.10 on

describe('a config file', () => {
  it('says where to listen and whom to trust', async () => {
    write('proxyfix.config.json', '{ "bind": "127.0.0.1:0", "proxyFix": { "xFor": 1, "xProto": 0 } }')
    expect(await clientSeen()).toBe('203.0.113.7')
    expect(server!.url).not.toContain(':8000')
  })

  it('counts less than what is typed', async () => {
    write(
      'proxyfix.config.mjs',
      `export default async () => ({ bind: '127.0.0.1:0', proxyFix: { xFor: 1, xProto: 0 } })`,
    )
    expect(await clientSeen(['--x-for', '0'])).toBe('127.0.0.1')
  })

  it('can be in TypeScript where Node strips types, and is refused where it does not', async () => {
    write('proxyfix.config.mts', `const bind: string = '127.0.0.1:0'\nexport default { bind }`)
    if (stripsTypes) {
      expect(await clientSeen()).toBe('127.0.0.1')
    } else {
      expect(await run(['serve', 'app.cjs'], folder)).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/^proxyfix: proxyfix\.config\.mts is TypeScript, .*\.\n$/) as string,
      })
    }
  })

  it.each([
    { what: 'a misspelt name', text: '{ "wrokers": 2 }', says: "did you mean 'workers'?" },
    { what: 'no JSON', text: '{ workers: 2 }', says: 'proxyfix.config.json cannot be read' },
    { what: 'a value that cannot be', text: '{ "workers": "many" }', says: 'workers' },
  ])('with $what is refused in a sentence', async ({ text, says }) => {
    write('proxyfix.config.json', text)
    const { code, stdout, stderr } = await run(['serve', 'app.cjs'], folder)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^proxyfix: [^\n]*[.?]\n$/)
    expect(stderr).toContain(says)
  })

  it('that was named must be there', async () => {
    expect(await run(['serve', '--config', 'gone.js', 'app.cjs'], folder)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^proxyfix: There is no config file gone\.js in .*\.\n$/) as string,
    })
  })
})
