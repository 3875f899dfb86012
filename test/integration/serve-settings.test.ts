/** Where a real server takes its settings from: the command line, variables, files, and what they are told to be. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { launch, run, type Serving } from './program.ts'
import { ask } from './wire.ts'

let folder: string
let server: Serving | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-settings-'))
  mkdirSync(join(folder, 'site'))
  writeFileSync(join(folder, 'site', 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(folder, 'site', 'app.js'),
    'export default (req, res) => res.end([req.socket.remoteAddress, process.env.GREETING].join(" "))',
  )
})
afterEach(async () => {
  await server?.stop()
  server = undefined
  rmSync(folder, { recursive: true })
})

function write(name: string, content: string): void {
  writeFileSync(join(folder, 'site', name), content)
}

async function body(): Promise<string> {
  const headers = [['X-Forwarded-For', '203.0.113.7']] as const
  return (await ask({ to: server?.url ?? '', host: 'a', headers })).body
}

describe.each([
  ['in one process', []],
  ['with workers', ['-w', '1']],
] as const)('%s', (_, flags) => {
  it('a folder to begin in is where the config file, the app and its variables are', async () => {
    write('proxyfix.config.js', 'export default { bind: "127.0.0.1:0", app: "app.js", proxyFix: { xFor: 1 } }')
    write('variables', 'GREETING=hello\nPROXYFIX_TRUSTED_PROXIES=loopback\n')
    server = await launch([...flags, '--chdir', 'site', '--dotenv', 'variables'], { folder })
    expect(await body()).toBe('203.0.113.7 hello')
  })

  it('a function of a config file is called', async () => {
    write(
      'proxyfix.config.js',
      'export default { bind: "127.0.0.1:0", proxyFix: { xFor: 1, trustedProxies: (address) => address === "127.0.0.1" } }',
    )
    server = await launch([...flags, 'app.js'], { folder: join(folder, 'site'), env: { GREETING: 'hi' } })
    expect(await body()).toBe('203.0.113.7 hi')
  })

  it('everything can be a variable', async () => {
    const env = { PROXYFIX_APP: 'app.js', PROXYFIX_BIND: '127.0.0.1:0', PROXYFIX_X_FOR: '1' }
    server = await launch(flags, { folder: join(folder, 'site'), env })
    expect(await body()).toBe('203.0.113.7 ')
  })
})

it('SIGHUP reads the config file again', async () => {
  write('proxyfix.config.json', '{ "bind": "127.0.0.1:0", "workers": 1, "proxyFix": { "xFor": 1 } }')
  server = await launch(['app.js'], { folder: join(folder, 'site') })
  expect(await body()).toBe('203.0.113.7 ')
  write('proxyfix.config.json', '{ "bind": "127.0.0.1:0", "workers": 1, "proxyFix": { "xFor": 0 } }')
  server.signal('SIGHUP')
  await server.said('Reloaded')
  expect(await body()).toBe('127.0.0.1 ')
})

it('SIGHUP reads the file of variables again, of those that are gone too', async () => {
  const env = { KEPT: 'from outside' }
  write(
    'app.js',
    'export default (req, res) => res.end(`${process.env.GREETING} ${process.env.OTHER} ${process.env.KEPT}`)',
  )
  write('variables', 'GREETING=hello\nOTHER=yes\nKEPT=from the file\n')
  const flags = ['-b', '127.0.0.1:0', '-w', '1', '--dotenv', 'variables', 'app.js']
  server = await launch(flags, { folder: join(folder, 'site'), env })
  expect(await body()).toBe('hello yes from outside')
  write('variables', 'GREETING=good evening\n')
  server.signal('SIGHUP')
  await server.said('Reloaded')
  expect(await body()).toBe('good evening undefined from outside')
})

describe('.env is read', () => {
  it.each([
    ['with --dev', ['--dev'], {}, undefined],
    ['where PROXYFIX_DEV is 1', [], { PROXYFIX_DEV: '1' }, undefined],
    ['where PROXYFIX_DEV is true', [], { PROXYFIX_DEV: 'true' }, undefined],
    ['where the config file says dev', [], {}, { dev: true }],
  ] as const)('%s', async (_, flags, env, file) => {
    write('.env', 'GREETING=hello\nPROXYFIX_HEALTH=/up\n')
    if (file !== undefined) write('proxyfix.config.json', JSON.stringify(file))
    server = await launch(['-b', '127.0.0.1:0', ...flags, 'app.js'], { folder: join(folder, 'site'), env })
    expect(await body()).toMatch(/ hello$/)
    expect((await ask({ to: server.url, host: 'a', target: '/up' })).status).toBe(200)
  })

  it('not otherwise', async () => {
    write('.env', 'GREETING=hello\n')
    write('proxyfix.config.json', JSON.stringify({ dev: true }))
    server = await launch(['-b', '127.0.0.1:0', '--no-dev', 'app.js'], { folder: join(folder, 'site') })
    expect(await body()).toBe('127.0.0.1 ')
  })
})

it.each([
  [{ PROXYFIX_DOTENV: 'variables' }, [], 'The variable PROXYFIX_CHDIR does nothing in variables, which is read later'],
  [{}, ['--dotenv', 'lib'], 'lib is a folder: give a file of variables.'],
  [{ PROXYFIX_CHDIR: '' }, [], 'The variable PROXYFIX_CHDIR is empty'],
])('%o and %o are told', async (env, flags, says) => {
  write('variables', 'PROXYFIX_CHDIR=elsewhere\n')
  mkdirSync(join(folder, 'site', 'lib'))
  const { code, stderr } = await run(['serve', ...flags, 'app.js'], join(folder, 'site'), env)
  expect([code, stderr]).toStrictEqual([2, expect.stringMatching(/^proxyfix: [^\n]*\.\n$/) as string])
  expect(stderr).toContain(says)
})

it('a config file that ends the process does not look like a server that was stopped', async () => {
  write('proxyfix.config.js', 'process.exit(0)')
  const { code, stderr } = await run(['serve', 'app.js'], join(folder, 'site'))
  expect([code, stderr]).toStrictEqual([
    2,
    'proxyfix: The config file ended the process while it was loaded, by process.exit(0) (proxyfix.config.js:1).\n',
  ])
})

describe('what is legal and dangerous is told', () => {
  const HOP_COUNTS = /^Warning: Hop counts believe whoever connects: .*/m

  async function warnings(...flags: readonly string[]): Promise<string[]> {
    server = await launch(['-b', '127.0.0.1:0', ...flags, 'app.js'], { folder: join(folder, 'site') })
    server.signal('SIGTERM') // so that all is said by then
    return (await server.ended).stderr.match(/^Warning: .*/gm) ?? []
  }

  it.each([
    ['a block of everybody', ['--x-for', 'trusted', '--trust', '0.0.0.0/0'], '--trust'],
    ['a secret that may be guessed', ['--x-for', '1', '--secret', 'X-Verify: abc'], '--secret'],
    ['the same with workers', ['-w', '1', '--x-for', '1', '--secret', 'X-Verify: abc'], '--secret'],
  ])('on loopback too: %s', async (_, flags, says) => {
    expect(await warnings(...flags)).toStrictEqual([expect.stringContaining(says)])
  })

  it('on loopback too: headers that are kept', async () => {
    write('proxyfix.config.json', '{ "proxyFix": { "xFor": 1, "headers": "keep" } }')
    expect(await warnings()).toStrictEqual([expect.stringContaining("headers is 'keep'")])
  })

  it('where others can connect alone: counts that believe whoever connects', async () => {
    expect(await warnings('--x-for', '1')).toStrictEqual([])
    expect(await warnings('--x-for', '1', '-b', 'unix:app.sock')).toStrictEqual([expect.stringMatching(HOP_COUNTS)])
  })
})

describe('--check-config', () => {
  it('loads all, and serves nothing', async () => {
    const { code, stderr } = await run(['serve', '--check-config', 'app.js'], join(folder, 'site'))
    expect([code, stderr]).toStrictEqual([0, 'Everything can be read, and the app be loaded\n'])
  })

  it.each([
    ['a config file that is wrong', 2, () => write('proxyfix.config.json', '{ "bnid": ":1" }')],
    ['an app that throws', 4, () => write('app.js', 'throw new Error("no database")')],
  ])('tells %s', async (_, code, prepare) => {
    prepare()
    expect(await run(['serve', '--check-config', 'app.js'], join(folder, 'site'))).toMatchObject({ code })
  })
})

describe('--check-config, where a start fails,', () => {
  it.each<[flags: string[], code: number, says: string]>([
    [['--access-log', 'none/x.log'], 2, "The access log 'none/x.log' cannot be written: the folder does not exist."],
    [['--access-log', '.'], 2, "The access log '.' cannot be written: it is a folder."],
    [['--pid', 'none/x.pid'], 2, "The pid file 'none/x.pid' cannot be written: the folder does not exist."],
    [['--pid', 'app.js/x.pid'], 2, "The pid file 'app.js/x.pid' cannot be written: the folder does not exist."],
    [['--pid', '.'], 2, "The pid file '.' cannot be written: it is a folder."],
    [['--pid', 'fifo'], 2, "The pid file 'fifo' cannot be written: it is no regular file; give another one."],
    [['--pid', 'link'], 2, "The pid file 'link' cannot be written: the folder that its link leads to does not exist."],
    [['--access-log', 'chain'], 2, "The access log 'chain' cannot be written: the folder that its link leads to does"],
    [['--access-log', 'circle'], 2, "The access log 'circle' cannot be written: its link leads to itself."],
    [['-b', 'unix:link'], 1, 'Cannot listen on unix:link: a file is there that is no socket'],
    [['-b', 'unix:to-folder'], 1, 'Cannot listen on unix:to-folder: a file is there that is no socket'],
    [['--pid', 'app.js'], 1, "The pid file 'app.js' holds something else than the number of a process"],
    [['-b', 'systemd'], 2, 'LISTEN_FDS is not set'],
    [['-b', 'unix:none/x.sock'], 1, 'Cannot listen on unix:none/x.sock: the folder does not exist.'],
    [['-b', 'unix:app.js/x.sock'], 1, 'Cannot listen on unix:app.js/x.sock: the path leads through'],
    [['-b', 'unix:app.js/x/y.sock'], 1, 'Cannot listen on unix:app.js/x/y.sock: the folder does not exist.'],
    [['-b', 'unix:../site'], 1, 'Cannot listen on unix:../site: it is a folder; name a file in it'],
    [['-b', 'unix:app.js'], 1, 'a file is there that is no socket'],
    [['-b', 'fd:77'], 1, 'Cannot listen on fd:77: no such file descriptor is open.'],
    [['-b', 'fd:0'], 1, 'Cannot listen on fd:0: the file descriptor is no socket.'],
    [['--dev'], 2, 'NODE_ENV is production'],
  ])('tells so in the same words: %j', async (flags, code, says) => {
    const site = join(folder, 'site')
    execFileSync('mkfifo', [join(site, 'fifo')])
    const links = { link: 'none/x', chain: 'link', circle: 'circle', 'to-folder': '.' }
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(site, name))
    const before = readdirSync(site)
    const ended = await run(['serve', '--check-config', ...flags, 'app.js'], site, { NODE_ENV: 'production' })
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(says) as string })
    expect(readdirSync(site)).toStrictEqual(before)
    expect(await run(['serve', ...flags, 'app.js'], site, { NODE_ENV: 'production' })).toStrictEqual(ended)
  })

  it('says nothing of what is only not there yet', async () => {
    const flags = ['--access-log', 'access.log', '--pid', 'x.pid', '-b', 'unix:app.sock']
    const { code } = await run(['serve', '--check-config', ...flags, 'app.js'], join(folder, 'site'))
    expect([code, existsSync(join(folder, 'site', 'access.log'))]).toStrictEqual([0, false])
  })

  it('says nothing of a link to what is only not there yet, and the start makes that', async () => {
    mkdirSync(join(folder, 'logs'))
    symlinkSync('../logs/x.log', join(folder, 'site', 'x.log'))
    symlinkSync('site', join(folder, 'linked'))
    const flags = ['-b', '127.0.0.1:0', '--access-log', 'linked/x.log', 'site/app.js']
    expect(await run(['serve', '--check-config', ...flags], folder)).toMatchObject({ code: 0 })
    server = await launch(flags, { folder })
    expect(existsSync(join(folder, 'logs', 'x.log'))).toBe(true)
  })
})

describe('--check-config --print-config', () => {
  it('does both', async () => {
    const flags = ['serve', '--check-config', '--print-config', '-b', ':3', 'app.js']
    const { code, stdout, stderr } = await run(flags, join(folder, 'site'))
    expect(JSON.parse(stdout)).toStrictEqual({ app: 'app.js', bind: [':3'] })
    expect([code, stderr]).toStrictEqual([0, 'Everything can be read, and the app be loaded\n'])
  })

  it('tells an app that throws', async () => {
    write('app.js', 'throw new Error("no database")')
    const { code, stdout, stderr } = await run(
      ['serve', '--check-config', '--print-config', 'app.js'],
      join(folder, 'site'),
    )
    expect(JSON.parse(stdout)).toMatchObject({ app: 'app.js' })
    expect([code, stderr]).toStrictEqual([4, expect.stringContaining('no database')])
  })
})

it('--print-config prints what can be a config file, wherever that was', async () => {
  write('prod.env', 'PROXYFIX_HEALTH=/up')
  write('other.json', '{ "bind": "127.0.0.1:0" }')
  const flags = ['--chdir', 'site', '--config', 'other.json', '--dotenv', 'prod.env']
  const { stdout } = await run(['serve', '--print-config', ...flags, 'app.js'], folder)
  expect(JSON.parse(stdout)).toStrictEqual({ app: 'app.js', bind: ['127.0.0.1:0'], health: '/up' })
  write('proxyfix.config.json', stdout)
  const again = await run(['serve', '--print-config'], join(folder, 'site'))
  expect(JSON.parse(again.stdout)).toStrictEqual(JSON.parse(stdout))
})

it('--print-config prints a config file that says the same, without secrets', async () => {
  write('proxyfix.config.json', '{ "bind": ":1", "workers": 2 }')
  const env = { PROXYFIX_HEALTH: '/up', PROXYFIX_SECRET: 'X-Verify: hush' }
  const flags = ['serve', '--print-config', '-b', ':3', '--x-for', '1', 'app.js']
  const { code, stdout } = await run(flags, join(folder, 'site'), env)
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toStrictEqual({
    app: 'app.js',
    bind: [':3'],
    workers: 2,
    health: '/up',
    proxyFix: {
      xFor: 1,
      xProto: 0,
      xHost: 0,
      xPort: 0,
      xPrefix: 0,
      secret: { header: 'X-Verify', values: '(a secret)' },
    },
  })
})
