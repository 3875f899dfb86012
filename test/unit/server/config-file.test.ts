/** Which config file is read, and what is said of one that cannot be. One in TypeScript is in test/integration: vitest would compile it. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadConfigFile, loadEnvironmentFile } from '../../../src/server/config-file.ts'

const names = ['bind', 'workers', 'accessLog', 'proxyFix']

/** Modules are loaded once for a process: each test has a folder of its own. */
let home: string
let cwd: string
let count = 0

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'proxyfix-config-'))
})
afterAll(() => rmSync(home, { recursive: true }))
beforeEach(() => {
  cwd = join(home, String(count++))
  mkdirSync(cwd)
})

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text)
}

const SETTINGS = { bind: ':8000', workers: 2 }

describe('a config file', () => {
  it('need not be', async () => {
    expect(await loadConfigFile({ cwd, names })).toBeUndefined()
  })

  it.each([
    { name: 'proxyfix.config.js', text: `module.exports = { bind: ':8000', workers: 2 }` },
    { name: 'proxyfix.config.mjs', text: `export default { bind: ':8000', workers: 2 }` },
    { name: 'proxyfix.config.mjs', text: `export default () => ({ bind: ':8000', workers: 2 })` },
    { name: 'proxyfix.config.mjs', text: `export default async () => ({ bind: ':8000', workers: 2 })` },
    {
      name: 'proxyfix.config.mjs',
      text: `export default Object.assign(Object.create(null), { bind: ':8000', workers: 2 })`,
    },
    { name: 'proxyfix.config.cjs', text: `module.exports = { bind: ':8000', workers: 2 }` },
    { name: 'proxyfix.config.json', text: `\ufeff{ "$schema": "x.json", "bind": ":8000", "workers": 2 }` },
  ])('is found as $name', async ({ name, text }) => {
    write({ [name]: text })
    expect(await loadConfigFile({ cwd, names })).toEqual({ file: join(cwd, name), settings: SETTINGS })
  })

  it('is the one that is named', async () => {
    write({ 'proxyfix.config.json': '{}', 'other.json': JSON.stringify(SETTINGS) })
    expect(await loadConfigFile({ cwd, names, file: 'other.json' })).toEqual({
      file: join(cwd, 'other.json'),
      settings: SETTINGS,
    })
  })

  const throws = 'export const x = 1\nthrow new Error("no vault.\\nat all")'

  it.each([
    {
      files: { 'proxyfix.config.js': '', 'proxyfix.config.json': '{}' },
      says: 'There are proxyfix.config.js and proxyfix.config.json: keep one',
    },
    { files: { 'proxyfix.config.json': '{ bind: 1 }' }, says: 'proxyfix.config.json cannot be read: SyntaxError' },
    { files: { 'proxyfix.config.json': '[]' }, says: 'proxyfix.config.json holds no settings: it must be an object' },
    { files: { 'proxyfix.config.mjs': '' }, says: 'holds no settings: it must export as default an object' },
    { files: { 'proxyfix.config.mjs': 'export const bind = 1' }, says: 'holds no settings' },
    { files: { 'proxyfix.config.mjs': 'export default new Map()' }, says: 'holds no settings' },
    { files: { 'proxyfix.config.mjs': 'export default () => {}' }, says: 'holds no settings' },
    { files: { 'proxyfix.config.mjs': throws }, says: 'proxyfix.config.mjs could not be loaded: Error: no vault' },
    {
      files: { 'proxyfix.config.mjs': 'export default () => { throw new Error("no vault.") }' },
      says: 'The function that proxyfix.config.mjs exports failed: Error: no vault',
    },
    {
      files: { 'proxyfix.config.json': '{ "wrokers": 2 }' },
      says: "sets 'wrokers', which is no option: did you mean 'workers'?",
    },
    { files: { 'proxyfix.config.json': '{ "access_log": "-" }' }, says: "did you mean 'accessLog'?" },
    { files: { 'proxyfix.config.json': '{ "xyzzyplugh": 2 }' }, says: 'there are bind, workers, accessLog, proxyFix.' },
    { files: { 'proxyfix.config.json': '{ "__proto__": 2 }' }, says: "sets '__proto__', which is no option" },
    {
      files: { 'proxyfix.config.mjs': 'export default { get bind() { throw new Error("no vault") } }' },
      says: 'What proxyfix.config.mjs exports could not be read: Error: no vault (',
    },
    {
      files: { 'proxyfix.config.mjs': 'export default Promise.reject(new Error("no vault"))' },
      says: 'The promise that proxyfix.config.mjs exports failed: Error: no vault',
    },
    { files: { 'proxyfix.config.json': '{ "\\u001b[31mx": 2 }' }, says: String.raw`sets '\u001b[31mx'` },
    { file: 'a'.repeat(5000), files: {}, says: 'cannot be read: Error: ENAMETOOLONG' },
    { file: 'gone.js', files: {}, says: 'There is no config file gone.js in ' },
    { file: '.', files: {}, says: 'The config file . is no file' },
    { file: 'a.yaml', files: { 'a.yaml': '' }, says: 'must be JavaScript, TypeScript or JSON' },
  ])('$files is refused: $says', async ({ files, file, says }) => {
    write(files)
    await expect(loadConfigFile({ cwd, names, ...(file !== undefined && { file }) })).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_PROXYFIX_OPTION',
        message: expect.stringMatching(/^[^\n]*[.?]$/) as string,
      }),
    )
    await expect(loadConfigFile({ cwd, names, ...(file !== undefined && { file }) })).rejects.toThrow(says)
  })

  it('that throws shows what it threw', async () => {
    write({ 'proxyfix.config.mjs': throws })
    await expect(loadConfigFile({ cwd, names })).rejects.toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ message: 'no vault.\nat all' }) as Error }),
    )
  })
})

describe('a file of variables', () => {
  const set = new Set(['PROXYFIX_TEST_A', 'PROXYFIX_TEST_B'])

  afterEach(() => {
    for (const name of set) delete process.env[name]
  })

  it('is .env, if there is one', () => {
    loadEnvironmentFile({ cwd })
    write({ '.env': 'PROXYFIX_TEST_A="1 # one"\nPROXYFIX_TEST_B=2' })
    process.env['PROXYFIX_TEST_B'] = 'set before'
    loadEnvironmentFile({ cwd })
    expect([process.env['PROXYFIX_TEST_A'], process.env['PROXYFIX_TEST_B']]).toEqual(['1 # one', 'set before'])
  })

  it('is the one that is named', () => {
    write({ '.env': 'PROXYFIX_TEST_A=1', 'prod.env': 'PROXYFIX_TEST_A=2' })
    loadEnvironmentFile({ cwd, file: 'prod.env' })
    expect(process.env['PROXYFIX_TEST_A']).toBe('2')
  })

  it.each([
    { file: 'gone.env', says: 'There is no file gone.env of variables in ' },
    { file: '.', says: '. is a folder: give a file of variables.' },
  ])('cannot be $file', ({ file, says }) => {
    expect(() => loadEnvironmentFile({ cwd, file })).toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION', message: expect.stringContaining(says) as string }),
    )
  })
})
