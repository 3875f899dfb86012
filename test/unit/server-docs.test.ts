/** docs/server.md and the help name what there is, and nothing else. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { FOREIGN_OPTIONS } from '../../src/cli/foreign-options.ts'
import { serveHelp } from '../../src/cli/serve-help.ts'
import { readServeArguments } from '../../src/cli/serve-settings.ts'
import { parseBind } from '../../src/server/index.ts'
import { flagOf, SETTINGS } from '../../src/server/settings.ts'

const page = readFileSync(new URL('../../docs/server.md', import.meta.url), 'utf8')
/** Where it speaks of this server, not of others. */
const ours = page.slice(0, page.indexOf('## Coming from gunicorn'))
const FLAGS = SETTINGS.map(({ name }) => `--${flagOf(name)}`)
const OTHERS = [
  '--help',
  '--x-for',
  '--x-proto',
  '--x-prefix',
  '--trust',
  '--print-config',
  '--check-config',
  '--no-http2',
]

describe('docs/server.md', () => {
  it('names only options that there are', () => {
    const named = new Set(ours.match(/(?<=[`\s])--[a-z][a-z\d-]+/g))
    expect([...named].filter((flag) => !FLAGS.includes(flag) && !OTHERS.includes(flag))).toStrictEqual([])
  })

  it('names addresses that can be listened on', () => {
    const table = ours.slice(ours.indexOf('| `-b` '), ours.indexOf('Port 0 is any'))
    const binds = [...table.matchAll(/^\| (`.*?`) +\|/gm)].flatMap(
      ([, cell = '']) => cell.match(/(?<=`)[^`,]+(?=`)/g) ?? [],
    )
    expect(binds.length).toBeGreaterThan(10)
    for (const bind of binds.filter((one) => one !== '-b')) expect(() => parseBind(bind)).not.toThrow()
  })
})

describe('the help', () => {
  it('has every option, and no line is too long for a terminal', () => {
    const help = serveHelp()
    for (const flag of [...FLAGS, ...OTHERS.filter((one) => one !== '--no-http2')]) expect(help).toContain(flag)
    expect(help.split('\n').filter((line) => line.length > 120)).toStrictEqual([])
  })
})

/** What is said of an option when it is typed; nothing when it is one of ours. */
function saidOf(option: string): string | undefined {
  try {
    readServeArguments([option, '1'])
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

describe('options of other servers', () => {
  const rows = [...page.slice(ours.length).matchAll(/^\| +(`.*?`) +\| +(.*?) +\|$/gm)].flatMap(
    ([, there = '', here = '']) => (there.match(/(?<=[`\s])--?[a-z][\w-]*/g) ?? []).map((option) => ({ option, here })),
  )

  it('of gunicorn, uWSGI, Twisted and Flask are in the tables', () => {
    const named = rows.map(({ option }) => option)
    expect(named).toEqual(
      expect.arrayContaining(['-k', '--master', '--http', '-p', '--harakiri', '--listen', '--debug']),
    )
  })

  it.each(rows)('$option is one here, or is answered by what the table says', ({ option, here }) => {
    const said = saidOf(option)
    if (said === undefined) return
    expect(said).toMatch(/^There is no option [^\n]+[.?]$/)
    expect(said).not.toContain('try --help')
    if (here.startsWith('nothing')) expect(said).toContain('leave ')
  })

  it('are none of ours, and each is answered by one sentence', () => {
    for (const [name, hint] of FOREIGN_OPTIONS) {
      expect(FLAGS).not.toContain(`--${name}`)
      expect(hint).toMatch(/^\S[^\n]*\.$/)
    }
  })
})
