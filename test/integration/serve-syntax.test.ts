/** The place of a syntax error in an app, wherever in it the error is. */

import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from './program.ts'

const MODULES = {
  'package.json': '{ "type": "module" }',
  'app.js': 'export const app = 1\n  const y = = 2\n',
  'ends.js': 'export default (req, res) => {',
  'ends-later.js': 'import "./lib/ends.js"\n',
  'lib/ends.js': 'export default (req, res) => {\n\n',
  'imports.js': 'import { x } from "./lib/between.js"\nexport const app = x\n',
  'exports.js': 'export * from "./lib/between.js"\n',
  'minified.js': 'import{x}from"./lib/between.js";export{x}\n',
  'package.js': 'import "pkg"\n',
  'later.js': 'export const app = await import("./lib/broken.js")\n',
  'lib/between.js': 'import "./fine.js"\nimport "./broken.js"\nexport const x = 1\n',
  'lib/fine.js': 'export const fine = "from \'./other-broken.js\'"\n',
  'lib/other-broken.js': 'const (\n',
  'lib/broken.js': 'export const ok = 1\n\tconst y = = 2\n',
  'a folder/app.js': 'import "../lib/broken.js"\n',
  'common.cjs': 'module.exports = require("./broken.cjs")\n',
  'broken.cjs': 'let q\nlet q\n',
  'common-in-es.js': 'import "./broken.cjs"\n',
  'no-export.js': 'import { nope } from "./lib/fine.js"\n',
  'json.js': 'export const app = JSON.parse("{")\n',
  'regexp.js': 'export const app = new RegExp("(")\n',
  'runs.js': 'import "./lib/broken.js"\nimport { writeFileSync } from "node:fs"\nwriteFileSync(new URL("ran", import.meta.url), "")\n', // prettier-ignore
  'types.ts': 'import "./enum.ts"\n',
  'enum.ts': 'export const a: number = 1\n  enum E { A }\nexport const b = 1\n',
  'expected.ts': 'export const a: number = 1\nconst b: number = = 2\n',
  'twice.ts': 'import "./again.ts"\n',
  'again.ts': 'export const a: number = 1\nlet a: number = 3\n',
  'node_modules/pkg/package.json': '{ "type": "module", "exports": "./main.js" }',
  'node_modules/pkg/main.js': 'export default 1 1\n',
}

const stripsTypes = 'typescript' in process.features && Boolean(process.features.typescript)

let folder: string

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'proxyfix-syntax-')))
  for (const [file, content] of Object.entries(MODULES)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), content)
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What is said of the app, after its sentence. */
async function told(app: string): Promise<string> {
  const { code, stderr } = await run(['serve', app], folder)
  const [sentence = '', ...lines] = stderr.split('\n')
  expect(code).toBe(4)
  expect(sentence).toMatch(/^proxyfix: .* could not be loaded: SyntaxError/)
  return lines.join('\n')
}

describe('the place of a syntax error', () => {
  it.each([
    { app: 'app.js', place: 'app.js:2:13', line: '  const y = = 2\n            ^' },
    { app: 'ends.js', place: 'ends.js:1:31', line: 'export default (req, res) => {' },
    { app: 'ends-later.js', place: 'lib/ends.js:3:1', line: '' },
    { app: 'imports.js', place: 'lib/broken.js:2:12', line: '\tconst y = = 2\n\t          ^' },
    { app: 'exports.js', place: 'lib/broken.js:2:12', line: '\tconst y = = 2' },
    { app: 'minified.js', place: 'lib/broken.js:2:12', line: '\tconst y = = 2' },
    { app: 'later.js', place: 'lib/broken.js:2:12', line: '\tconst y = = 2' },
    { app: 'a folder/app.js', place: 'lib/broken.js:2:12', line: '\tconst y = = 2' },
    { app: 'package.js', place: 'node_modules/pkg/main.js:1:18', line: 'export default 1 1' },
    { app: 'common.cjs', place: 'broken.cjs:2:5', line: 'let q\n    ^' },
    { app: 'common-in-es.js', place: 'broken.cjs:2:5', line: 'let q\n    ^' },
    { app: 'no-export.js', place: 'no-export.js:1:10', line: 'import { nope } from "./lib/fine.js"' },
  ])('of $app is $place', async ({ app, place, line }) => {
    const text = await told(app)
    expect(text).toContain(`${join(folder, place)}\n${line}`)
    expect(text).toContain('SyntaxError: ')
    expect(text.split(place)).toHaveLength(2)
    expect(text).not.toMatch(/node:|dist\/|--eval/)
  })

  it.skipIf(!stripsTypes).each([
    { app: 'types.ts', place: 'enum.ts:2:3', line: 'export const a: number = 1\n  enum E { A }' },
    { app: 'expected.ts', place: 'expected.ts:2:19', line: 'export const a: number = 1\nconst b: number = = 2' },
    { app: 'twice.ts', place: 'again.ts:2:5', line: 'let a ' },
  ])('of $app is $place', async ({ app, place, line }) => {
    expect(await told(app)).toContain(`${join(folder, place)}\n${line}`)
  })

  it.each(['json.js', 'regexp.js'])('is that of the call where %s throws one itself', async (app) => {
    const text = await told(app)
    expect(text).toMatch(/^SyntaxError: /)
    expect(text).toMatch(new RegExp(`at .*${app}:1:\\d+`))
  })

  it('is found without running anything', async () => {
    expect(await told('runs.js')).toContain('broken.js:2:12')
    expect(existsSync(join(folder, 'ran'))).toBe(false)
  })
})
