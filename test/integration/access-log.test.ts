/** The access log of a server that runs: every request in it once, whatever ends the server, whoever rotates the file. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { program } from './paths.ts'
import { launch, type Serving } from './program.ts'
import { ask } from './wire.ts'

let folder: string
let file: string
let server: Serving | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-access-log-'))
  file = join(folder, 'access.log')
  writeFileSync(join(folder, 'app.cjs'), 'module.exports = (req, res) => res.end("hello")')
  writeFileSync(join(folder, 'logo.svg'), '<svg/>')
})
afterEach(async () => {
  await server?.stop()
  server = undefined
  rmSync(folder, { recursive: true })
})

async function start(...args: readonly string[]): Promise<string> {
  server = await launch(['-b', '127.0.0.1:0', ...args, 'app.cjs'], { folder })
  return server.url
}

function lines(path = file): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}

/** Asks for `/0`, `/1` and so on, some at a time. */
async function askMany(
  to: string,
  count: number,
  headers: readonly (readonly [string, string])[] = [],
): Promise<string[]> {
  const targets = Array.from({ length: count }, (_, index) => `/${index}`)
  for (let at = 0; at < count; at += 20) {
    await Promise.all(targets.slice(at, at + 20).map((target) => ask({ to, target, host: 'a', headers })))
  }
  return targets
}

describe('the access log', () => {
  it.each([
    { what: 'one process', args: [] },
    { what: 'two workers', args: ['-w', '2'] },
  ])('of $what has every request once when the server has ended', async ({ args }) => {
    const to = await start('--access-log', 'access.log', '--access-log-format', '%(U)s', ...args)
    const targets = await askMany(to, 200)
    server!.signal('SIGTERM')
    expect(await server!.ended).toMatchObject({ code: 0 })
    expect(lines().toSorted()).toEqual(targets.toSorted())
  })

  it('on standard output is whole when the server has ended', async () => {
    const to = await start('--access-log', '-', '--access-log-format', '%(U)s')
    const targets = await askMany(to, 200)
    server!.signal('SIGTERM')
    const { stdout } = await server!.ended
    expect(stdout.split('\n').slice(0, -1).toSorted()).toEqual(targets.toSorted())
  })

  it('tells the client that was decided, and not the one that was forged', async () => {
    const args = ['--x-for', '1', '--access-log', 'access.log', '--access-log-format', '%(h)s']
    const to = await start(...args)
    await ask({ to, host: 'a', headers: [['X-Forwarded-For', '192.0.2.66, 203.0.113.7']] })
    server!.signal('SIGTERM')
    await server!.ended
    expect(lines()).toEqual(['203.0.113.7'])
  })

  it.each([
    { what: 'one process', args: [] },
    { what: 'two workers', args: ['-w', '2'] },
  ])('of $what is rotated by SIGUSR1, and loses nothing', async ({ args }) => {
    const to = await start('--access-log', 'access.log', '--access-log-format', '%(U)s', ...args)
    const before = await askMany(to, 40)
    renameSync(file, `${file}.1`)
    server!.signal('SIGUSR1')
    let asked = 0
    // Until each process has a new file, what is asked goes to either.
    for (; lines().length < 20; asked++) await ask({ to, target: `/after${asked}`, host: 'a' })
    server!.signal('SIGTERM')
    await server!.ended
    const after = Array.from({ length: asked }, (_, index) => `/after${index}`)
    expect([...lines(), ...lines(`${file}.1`)].toSorted()).toEqual([...before, ...after].toSorted())
    expect(lines(`${file}.1`)).toEqual(expect.arrayContaining(before))
  })

  it('has files, and no probes', async () => {
    const log = ['--access-log', 'access.log', '--access-log-format', '%(U)s %(s)s %(B)s']
    const to = await start('--static', '/assets=.', '--health', '/healthz', ...log)
    expect(await ask({ to, target: '/healthz', host: '' })).toEqual({ status: 200, body: 'OK\n' })
    expect(await ask({ to, target: '/assets/logo.svg', host: 'a' })).toEqual({ status: 200, body: '<svg/>' })
    expect(await ask({ to, target: '/assets/../app.cjs', host: 'a' })).toEqual({ status: 200, body: 'hello' })
    server!.signal('SIGTERM')
    await server!.ended
    expect(lines()).toEqual(['/assets/logo.svg 200 6', '/assets/../app.cjs 200 5'])
  })

  it('on a disk that is full costs lines, and no answers', async () => {
    const to = await start('--access-log', '/dev/full')
    expect(await ask({ to, host: 'a' })).toEqual({ status: 200, body: 'hello' })
    await server!.said('The access log /dev/full cannot be written, and lines are lost: the disk is full.')
    expect(await ask({ to, host: 'a' })).toEqual({ status: 200, body: 'hello' })
    expect((await server!.stop()).stderr.match(/lines are lost/g)).toHaveLength(1)
  })

  it('outlives whoever read it', async () => {
    const args = ['serve', '-b', '127.0.0.1:0', '--access-log', '-', 'app.cjs']
    const child = spawn(process.execPath, [program, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    try {
      let stderr = ''
      const said = async (text: string): Promise<void> => {
        while (!stderr.includes(text)) await once(child.stderr, 'data')
      }
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      await said('Listening on')
      const to = /Listening on (\S+)/.exec(stderr)?.[1] ?? ''
      child.stdout.destroy()
      expect(await ask({ to, host: 'a' })).toEqual({ status: 200, body: 'hello' })
      await said('cannot be written, and lines are lost: nobody reads it any more.')
      for (let count = 0; count < 3; count++) expect(await ask({ to, host: 'a' })).toMatchObject({ status: 200 })
      expect(stderr.match(/lines are lost/g)).toHaveLength(1)
    } finally {
      child.kill('SIGKILL')
    }
  })
})
