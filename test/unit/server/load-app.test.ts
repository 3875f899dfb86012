/** Which handler a spec names, and what is said of a spec that names none. More of it, as a person sees it, is in test/integration/cli.test.ts. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadApp } from '../../../src/server/load-app.ts'

const MODULES = {
  'default.mjs': 'export default function byDefault() {}\nexport function app() {}',
  'app.mjs': 'export function app() {}\nexport function admin() {}\nexport const settings = { port: 80 }',
  'fetch.mjs': 'export function fetch() {}',
  'second.mjs': 'export default { port: 80 }\nexport function handler() {}',
  'common.cjs': 'module.exports = function common() {}',
  'nothing.mjs': '',
  'number.mjs': 'export default 7',
  'promise.mjs': 'export default Promise.resolve(() => {})',
  'throws.mjs': '\n\nthrow new Error("no database.")',
  'throws-null.mjs': 'throw null',
}

let cwd: string

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'proxyfix-load-app-'))
  for (const [file, content] of Object.entries(MODULES)) writeFileSync(join(cwd, file), content)
})
afterAll(() => rmSync(cwd, { recursive: true }))

describe('loadApp', () => {
  it.each([
    { spec: 'default.mjs', name: 'byDefault' },
    { spec: './default', name: 'byDefault' },
    { spec: 'default.mjs:app', name: 'app' },
    { spec: 'app.mjs', name: 'app' },
    { spec: 'app.mjs:admin', name: 'admin' },
    { spec: 'second.mjs', name: 'handler' },
    { spec: 'common.cjs', name: 'common' },
  ])('finds $name in $spec', async ({ spec, name }) => {
    expect(await loadApp(spec, { cwd })).toHaveProperty('name', name)
  })

  it('makes an app of a module that exports fetch', async () => {
    expect(await loadApp('fetch.mjs', { cwd })).toStrictEqual({ fetch: expect.any(Function) as unknown })
  })

  it.each([
    { spec: '', says: 'names no module' },
    { spec: ':app', says: 'names no module' },
    { spec: 'app.mjs:', says: 'not the name of an export' },
    { spec: 'app.mjs:a b', says: 'not the name of an export' },
    { spec: 'app.mjs:amdin', says: "did you mean 'admin'?" },
    { spec: 'app.mjs:settings', says: "'settings' of app.mjs cannot be served" },
    { spec: 'gone.mjs', says: 'There is no module gone.mjs' },
    { spec: '.', says: 'is a folder' },
    { spec: 'nothing.mjs', says: 'exports no app' },
    { spec: 'number.mjs', says: 'a number' },
    { spec: 'promise.mjs', says: 'await it first' },
    { spec: 'throws.mjs', says: 'no database' },
    { spec: 'throws-null.mjs', says: 'null' },
  ])('says what is wrong with $spec', async ({ spec, says }) => {
    await expect(loadApp(spec, { cwd })).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_PROXYFIX_APP',
        message: expect.stringMatching(/^[^\n]*[.?]$/) as string,
      }),
    )
    await expect(loadApp(spec, { cwd })).rejects.toThrow(says)
  })
})
