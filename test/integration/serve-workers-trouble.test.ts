/** What goes wrong at the worst moment: workers that die, hang or are signalled while others boot, stop or are replaced. */

import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { launch, run, type Serving, start, type Started } from './program.ts'
import { ask } from './wire.ts'

/** It boots when the file `go` is there, so that a test can do something meanwhile. */
const APP = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
const here = (name) => new URL(name, import.meta.url)
const code = readFileSync(here('code.txt'), 'utf8').trim()
appendFileSync(here('booting.txt'), process.pid + '\\n')
if (code === 'hangs') { setInterval(() => {}, 1000); await new Promise(() => {}) }
if (code === 'never comes') await new Promise(() => {})
if (code === 'throws') throw new Error('no database')
if (code === 'exits') process.exit(0)
if (code === 'waits') while (!existsSync(here('go'))) await new Promise((resolve) => setTimeout(resolve, 20))
export default (req, res) => res.end(req.url === '/pid' ? String(process.pid) : code)
`

let folder: string
let server: Serving
let program: Started | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-trouble-'))
  write('package.json', '{ "type": "module" }')
  write('app.js', APP)
  write('code.txt', 'one')
})
afterEach(async () => {
  program?.child.kill('SIGKILL')
  await program?.ended
  program = undefined
  rmSync(folder, { recursive: true })
})

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}

async function started(...args: readonly string[]): Promise<Serving> {
  server = await launch(['-b', '127.0.0.1:0', ...args, 'app.js'], { folder })
  program = server
  return server
}

/** Starts it, and does not wait until it serves. */
function starting(...args: readonly string[]): Started {
  program = start(['serve', '-b', '127.0.0.1:0', ...args, 'app.js'], { folder })
  return program
}

async function body(target: string): Promise<string> {
  return (await ask({ to: server.url, host: 'a.example', target })).body
}

/** Every process that has begun to load the app. */
function loaders(): number[] {
  const file = join(folder, 'booting.txt')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : []
}

async function loading(count: number): Promise<number[]> {
  while (loaders().length < count) await wait(10)
  return loaders()
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Those that are there once there are so many; it waits for ever for what never comes. */
async function alive(count: number): Promise<number[]> {
  let pids = loaders().filter(isAlive)
  for (; pids.length !== count; pids = loaders().filter(isAlive)) await wait(20)
  return pids
}

/** What was said, without numbers of processes and addresses. */
function lines(stderr: string): string[] {
  return stderr
    .trim()
    .split('\n')
    .map((line) => line.replace(/(Worker|pid) \d+/, '$1 N').replace(/http:\S+/, 'URL'))
}

const STOPPING = 'SIGTERM: finishing the requests in flight; once more to stop at once'

describe('the number of workers is right', () => {
  it('after one was to be replaced and another one died meanwhile', async () => {
    await started('-w', '2')
    const [first = 0, second = 0] = await loading(2)
    write('code.txt', 'waits')
    process.kill(first, 'SIGTERM')
    await loading(3)
    process.kill(second, 'SIGKILL')
    await server.said(`Worker ${second} was ended by SIGKILL; another one takes its place`)
    await loading(4)
    write('go', '')
    await server.said(' serves', 4)
    const now = await alive(2)
    expect(now.includes(first) || now.includes(second)).toBe(false)
  })

  it('after one was told twice to go', async () => {
    await started('-w', '2')
    const [first = 0] = await loading(2)
    write('code.txt', 'waits')
    process.kill(first, 'SIGTERM')
    await loading(3)
    process.kill(first, 'SIGTERM')
    // It has told of it, and was heard, when it has answered twice.
    for (let answers = 0; answers < 2;) if ((await body('/pid')) === String(first)) answers++
    write('go', '')
    await server.said(' serves', 3)
    await alive(2)
    server.signal('SIGTERM')
    const { stderr } = await server.ended
    expect([stderr.split('is replaced').length - 1, stderr.split(' serves').length - 1]).toStrictEqual([1, 3])
  })

  it('after one more and one less at once', async () => {
    await started('-w', '2')
    const both = await loading(2)
    write('code.txt', 'waits')
    server.signal('SIGTTIN')
    const [, , third = 0] = await loading(3)
    server.signal('SIGTTOU')
    await server.said('2 workers from now on')
    while (isAlive(third)) await wait(20)
    expect((await alive(2)).toSorted()).toStrictEqual(both.toSorted())
    server.signal('SIGTERM')
    expect((await server.ended).stderr).not.toContain('failed to boot')
  })

  it('after workers asked to be replaced during a reload', async () => {
    await started('-w', '2', '--max-requests', '3')
    write('code.txt', 'waits')
    server.signal('SIGHUP')
    await loading(4)
    for (let requests = 0; requests < 8; requests++) await body('/')
    expect(await server.said('is replaced', 2)).toContain('it has served 3 requests')
    write('go', '')
    await server.said('Reloaded')
    await alive(2)
    server.signal('SIGTTIN') // so that one more is seen to come, if there are not too many
    await alive(3)
    expect(loaders()).toHaveLength(5)
  })

  it('after a successor could not boot, once it can', async () => {
    await started('-w', '1', '--max-requests', '2')
    const [first = 0] = await loading(1)
    write('code.txt', 'throws')
    await body('/')
    await body('/')
    await server.said('no database')
    write('code.txt', 'two')
    while (isAlive(first)) await wait(20)
    expect(await body('/')).toBe('two')
  })
})

describe('code that hangs while it is loaded', () => {
  it('holds up neither the next reload nor the replacement of who dies', async () => {
    await started('-w', '2')
    const old = await loading(2)
    write('code.txt', 'hangs')
    server.signal('SIGHUP')
    await loading(4)
    write('code.txt', 'two')
    server.signal('SIGHUP')
    await server.said('Reloaded')
    expect(await body('/')).toBe('two')
    const now = await alive(2)
    expect(now.some((pid) => old.includes(pid))).toBe(false)
    for (const pid of now) process.kill(pid, 'SIGKILL')
    await server.said(' serves', 6)
    expect(await body('/')).toBe('two')
  })

  it('is ended after --timeout, and the workers from before go on', async () => {
    await started('-w', '1', '--timeout', '3')
    const old = await loading(1)
    write('code.txt', 'hangs')
    server.signal('SIGHUP')
    expect(await server.said('Not reloaded: the workers from before go on')).toContain(
      'has not loaded the app within 3 s (--timeout), and was killed.',
    )
    expect(await body('/pid')).toBe(String(old[0]))
  })

  it('ends the start after --timeout, with 3', async () => {
    write('code.txt', 'hangs')
    const { ended } = starting('-w', '1', '--timeout', '2')
    const { code, stderr } = await ended
    expect([code, lines(stderr)]).toStrictEqual([
      3,
      ['proxyfix: Worker N has not loaded the app within 2 s (--timeout), and was killed.'],
    ])
  })

  it('is told', async () => {
    write('code.txt', 'hangs')
    const { said } = starting('-w', '1', '--timeout', '0')
    expect(await said('still')).toMatch(/^app\.js is still being loaded/)
  })

  it('is told without workers, too', async () => {
    write('code.txt', 'hangs')
    const { said } = starting()
    expect(await said('still')).toMatch(/^app\.js is still being loaded/)
  })
})

describe.each([
  ['with workers', ['-w', '1']],
  ['without workers', []],
] as const)('an app that, %s,', (_, args) => {
  it('awaits what never comes ends the start with 4 and a sentence', async () => {
    write('code.txt', 'never comes')
    const { code, stderr } = await starting(...args).ended
    expect([code, stderr]).toStrictEqual([
      4,
      expect.stringMatching(/^proxyfix: app\.js could not be loaded: .*it awaits something that never comes/) as string,
    ])
  })

  it('ends the process while it is loaded does not look like one that was stopped', async () => {
    write('code.txt', 'exits')
    const { code, stderr } = await starting(...args).ended
    expect([code, lines(stderr)]).toStrictEqual([
      4,
      ['proxyfix: app.js ended the process while it was loaded, by process.exit(0) (app.js:9).'],
    ])
  })
})

it('--check-config does not take an app that ends the process for one that can be loaded', async () => {
  write('code.txt', 'exits')
  const { code, stderr } = await run(['serve', '--check-config', 'app.js'], folder)
  expect([code, stderr]).toStrictEqual([
    4,
    'proxyfix: app.js ended the process while it was loaded, by process.exit(0) (app.js:9).\n',
  ])
})

it('an app without workers that throws later, while it is loaded, ends the start with 4', async () => {
  write(
    'app.js',
    "setTimeout(() => { throw new Error('late') })\nawait new Promise((resolve) => setTimeout(resolve, 60_000))",
  )
  const { code, stderr } = await starting().ended
  expect(code).toBe(4)
  expect(stderr).toContain('Error: late')
})

describe('SIGTERM ends a worker at once that does not serve yet:', () => {
  it('one of the first', async () => {
    write('code.txt', 'waits')
    const { child, ended, said } = starting('-w', '2', '--shutdown-delay', '1h')
    await loading(1) // the other one may not even listen to messages
    child.kill('SIGTERM')
    await said(STOPPING)
    const { code, stderr } = await ended
    expect([code, lines(stderr)]).toStrictEqual([0, [STOPPING]])
    expect(loaders().filter(isAlive)).toStrictEqual([])
  })

  it('one that has not begun to load the app', async () => {
    await started('-w', '2')
    server.signal('SIGHUP')
    await server.said('Reloading')
    server.signal('SIGTERM')
    const { code, stderr } = await server.ended
    expect([code, lines(stderr).slice(-2)]).toStrictEqual([0, ['Reloading', STOPPING]])
  })

  it('one of a reload, of which nothing untrue is said', async () => {
    await started('-w', '1')
    write('code.txt', 'waits')
    for (let times = 0; times < 3; times++) server.signal('SIGHUP')
    await loading(2)
    server.signal('SIGTERM')
    const { code, stderr } = await server.ended
    expect(code).toBe(0)
    expect(lines(stderr).filter((line) => line !== 'Reloading')).toStrictEqual([
      'Worker N serves',
      'Listening on URL (pid N)',
      STOPPING,
    ])
  })
})

it('workers that a reload brings during --shutdown-delay say that they will go', async () => {
  await started('-w', '1', '--health', '/up', '--shutdown-delay', '30')
  const [old = 0] = await loading(1)
  write('code.txt', 'waits')
  server.signal('SIGHUP')
  await loading(2)
  server.signal('SIGTERM')
  await server.said(STOPPING)
  write('go', '')
  await server.said('Reloaded')
  while (isAlive(old)) await wait(20)
  let status = 200
  while (status === 200) status = (await ask({ to: server.url, host: 'a.example', target: '/up' })).status
  expect(status).toBe(503)
})

it('a client that connects while a later address is still looked for does not end the start', async () => {
  // An address in use is told before anything else is, so this one is free by then; the second one takes a look-up.
  const probe = await launch(['-b', '127.0.0.1:0', 'app.js'], { folder })
  const { port } = new URL(probe.url)
  await probe.stop()
  const { said, child, ended } = starting(
    '-w',
    '1',
    '-b',
    `127.0.0.1:${port}`,
    '-b',
    'localhost:0',
    '-b',
    'localhost:0',
  )
  const over = new AbortController()
  const client = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const socket = connect(Number(port), '127.0.0.1')
      await Promise.race([once(socket, 'connect'), once(socket, 'error')]).catch(() => undefined)
      socket.destroy()
    }
  }
  const knocking = client()
  try {
    expect(await said('Listening on', 4)).not.toContain('TypeError')
  } finally {
    over.abort()
    await knocking
  }
  child.kill('SIGTERM')
  expect((await ended).code).toBe(0)
})

describe('signals that come while the app is loaded, without workers,', () => {
  it('neither end nor stop the process, nor open a debugger', async () => {
    write('code.txt', 'waits')
    const { child, said, ended } = starting()
    await loading(1)
    for (const signal of ['SIGUSR1', 'SIGHUP', 'SIGTTIN', 'SIGTTOU', 'SIGUSR2', 'SIGWINCH'] as const) child.kill(signal)
    await said('SIGHUP: nothing is served yet')
    await said('SIGTTOU: nothing is served yet')
    await said('SIGWINCH does nothing here')
    write('go', '')
    expect(await said('Listening on')).not.toContain('Debugger')
    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
  })

  it('end it with 0 when they say stop', async () => {
    write('code.txt', 'waits')
    const { child, ended } = starting()
    await loading(1)
    child.kill('SIGTERM')
    const { code, stderr } = await ended
    expect([code, stderr]).toStrictEqual([0, 'SIGTERM: nothing was served yet\n'])
  })
})

it.each([['with workers', ['-w', '1']] as const, ['without workers', []] as const])(
  'SIGUSR2 and SIGWINCH are answered by a sentence, %s',
  async (_, args) => {
    await started(...args)
    server.signal('SIGUSR2')
    await server.said('SIGUSR2 does nothing here')
    server.signal('SIGWINCH')
    await server.said('SIGWINCH does nothing here')
    for (const pid of loaders()) if (pid !== server.pid) process.kill(pid, 'SIGUSR2')
    expect(await body('/')).toBe('one')
  },
)

it.each([['with workers', ['-w', '1']] as const, ['without workers', []] as const])(
  'nobody reads standard error any more, and all is served, %s',
  async (_, args) => {
    await started(...args)
    server.child.stderr?.destroy()
    for (let times = 0; times < 3; times++) {
      const { hostname, port } = new URL(server.url)
      const socket = connect(Number(port), hostname).resume()
      socket.write('garbage\r\n\r\n') // which is told there
      await once(socket, 'close')
    }
    server.signal('SIGHUP')
    expect(await body('/')).toBe('one')
  },
)

describe('a pid file', () => {
  it.each([['precious words'], ['-1'], ['12abc']])('that holds %o is left alone', async (text) => {
    write('app.pid', text)
    const { code, stderr } = await starting('--pid', 'app.pid').ended
    expect([code, stderr]).toStrictEqual([
      1,
      "proxyfix: The pid file 'app.pid' holds something else than the number of a process: remove it, or give another file.\n",
    ])
    expect(readFileSync(join(folder, 'app.pid'), 'utf8')).toBe(text)
  })

  it('of a process that runs is seen before anything is loaded or listened on', async () => {
    write('app.pid', `${process.pid}\n`)
    const { code, stderr } = await starting('-w', '1', '--pid', 'app.pid').ended
    expect([code, lines(stderr)]).toStrictEqual([
      1,
      [expect.stringContaining(`The pid file 'app.pid' belongs to process ${process.pid}, which runs`)],
    ])
    expect(loaders()).toStrictEqual([])
  })
})
