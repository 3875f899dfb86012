/** docs/server.md and the help name what there is, and nothing else. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { OPTIONS_ELSEWHERE } from '../../src/cli/foreign-options.ts'
import { serveHelp } from '../../src/cli/serve-help.ts'
import { readServeArguments } from '../../src/cli/serve-settings.ts'
import { createServer, parseBind } from '../../src/server/index.ts'
import { DEFAULT_LIMITS } from '../../src/server/limits.ts'
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
const NODES = ['--min-semi-space-size', '--max-semi-space-size', '--max-heap-size']

function messageOf(run: () => void): string {
  try {
    run()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('docs/server.md', () => {
  it('names only options that there are', () => {
    const named = new Set(ours.match(/(?<=[`\s])--[a-z][a-z\d-]+/g))
    expect([...named].filter((flag) => ![FLAGS, OTHERS, NODES].some((flags) => flags.includes(flag)))).toStrictEqual([])
  })

  it('has every option of serve, with its default', () => {
    const table = ours.slice(
      ours.indexOf('| option             | what'),
      ours.indexOf('Workers, signals, `.env` files'),
    )
    const rows = [...table.matchAll(/^\| `(\w+)` .* \| (.*?) +\|$/gm)].map(([, name = '', value = '']) => [name, value])
    const unknown = (): void => void createServer(() => undefined, { unknown: 1 } as object)
    const [, names = ''] = /serve knows (.*)\./.exec(messageOf(unknown)) ?? []
    expect(rows.map(([name]) => name)).toStrictEqual(names.split(', '))
    for (const [name, value = ''] of rows) {
      const limit = DEFAULT_LIMITS[name as keyof typeof DEFAULT_LIMITS]
      if (limit !== undefined) expect(value).toBe(`\`${limit}\``)
    }
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
  const elsewhere = page.slice(page.indexOf('## Options that are called otherwise elsewhere'))
  const rows = [...elsewhere.matchAll(/^\| +(`.*?`) +\| +(.*?) +\|$/gm)].map(([, there = '', here = '']) => ({
    options: there.split(', ').map((one) => one.replaceAll('`', '')),
    here,
  }))

  it('are in the table of the page as the program answers them, row by row', () => {
    expect(rows).toStrictEqual(OPTIONS_ELSEWHERE)
  })

  it.each(rows.flatMap(({ options, here }) => options.map((option) => ({ option, here }))))(
    '$option is none here, and answered by the table',
    ({ option, here }) => {
      expect(saidOf(option)).toBe(`There is no option ${option}: ${here}.`)
      expect(here).toMatch(/^[^\n]*[^.]$/)
    },
  )

  it('are each in one row', () => {
    const names = rows.flatMap(({ options }) => options.map((one) => (one.length === 2 ? one : one.toLowerCase())))
    expect(new Set(names).size).toBe(names.length)
  })

  it('that the other tables name are one here, or are answered', () => {
    const others = page.slice(ours.length, page.length - elsewhere.length)
    const cells = [...others.matchAll(/^\| +(`.*?`) +\|/gm)].map(([, there = '']) => there)
    const named = cells.flatMap((there) => there.match(/(?<=[`\s])--?[a-z][\w-]*/g) ?? [])
    expect(named).toEqual(expect.arrayContaining(['--master', '--http', '-p', '--listen', '--debug', '--chmod-socket']))
    expect(named.filter((option) => saidOf(option)?.includes('try --help'))).toStrictEqual([])
  })

  it.each(['--CertFile', '--cert_file', '--certFile'])('are known however they are written: %s', (option) => {
    expect(saidOf(option)).toBe(`There is no option ${option}: write --cert FILE --key FILE.`)
  })

  it('that need a file of the clients’ certificates do not lead to that of the server', () => {
    expect(saidOf('--ca-certs')).toContain("the proxy's work")
  })

  it('that nobody has get no silly answer', () => {
    for (const option of ['--frobnicate', '--start', '--sort', '--hosts-file'])
      expect(saidOf(option)).toBe(`There is no option ${option}: try --help.`)
  })
})
