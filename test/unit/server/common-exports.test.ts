/** What a module exports to its author. What is made of it for real, as vitest has imports of its own, is in test/integration/serve-loading.test.ts. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { authoredExports } from '../../../src/server/common-exports.ts'

const require = createRequire(import.meta.url)

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-common-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a CommonJS module', () => {
  /** As an `import` of Node gives them; the names are those that it guesses from the text. */
  function exportsOf(content: string, guessed: readonly string[] = []): object {
    const file = join(folder, 'app.cjs')
    writeFileSync(file, content)
    const whole = require(file) as Record<string, unknown>
    const names = Object.fromEntries(guessed.map((name) => [name, whole[name]]))
    return authoredExports({ ...names, default: whole, 'module.exports': whole }, file)
  }

  it.each([
    [
      'the members of its object',
      'module.exports = { createApp() {}, port: 80 }',
      ['createApp'],
      ['createApp', 'port'],
    ],
    ['those that are made', 'const n = "app"\nmodule.exports = { [n]() {} }', [], ['app']],
    ['nothing, where it does', '', [], []],
    [
      'a function, and its members',
      'module.exports = () => {}\nmodule.exports.admin = 1',
      ['admin'],
      ['admin', 'default'],
    ],
    ['an app that is an object', 'module.exports = { fetch() {}, port: 80 }', [], ['default']],
    ['an instance', 'module.exports = new (class App { handle() {} })()', [], ['default']],
    ['an app of a framework', 'module.exports = { callback() {}, listen() {}, use() {} }', [], ['default']],
  ])('exports %s', (_, content, guessed, names) => {
    const exports = exportsOf(content, guessed)
    expect(Object.keys(exports)).toStrictEqual(names)
    expect('toString' in exports && !names.includes('default')).toBe(false)
  })

  it('is not read before somebody asks', () => {
    const exports = exportsOf('module.exports = { get app() { throw new Error("late") } }')
    expect(() => (exports as { app: unknown }).app).toThrow('late')
  })
})

it('one that was compiled exports what it says, and nothing of it is read', () => {
  const file = join(folder, 'compiled.cjs')
  writeFileSync(
    file,
    'exports.__esModule = true\nexports.default = () => {}\nObject.defineProperty(exports, "lazy", { enumerable: true, get() { throw new Error("late") } })',
  )
  const exports = require(file) as Record<string, unknown>
  expect(authoredExports(exports, file)).toBe(exports)
})

it('an ES module exports what it says', () => {
  const file = join(folder, 'app.mjs')
  writeFileSync(file, '')
  const exports = { default: { app() {} } }
  expect(authoredExports(exports, file)).toBe(exports)
})
