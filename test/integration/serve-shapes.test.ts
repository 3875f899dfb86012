/**
 * The command lines and calls that people know from gunicorn, uWSGI, gevent, eventlet, Twisted and Flask: each has its
 * equivalent, and each is run here.
 */

import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createServer, serve } from '../../src/server/index.ts'
import { root } from './paths.ts'
import { launch, run, type RunOptions, type Serving } from './program.ts'
import { ask } from './wire.ts'

const APP = `
export const app = (req, res) => res.end('app in ' + process.pid)
export default app
export const createApp = (name = 'nobody', { loud = false, times = 1 } = {}) => (req, res) =>
  res.end((loud ? name.toUpperCase() : name).repeat(times))
export const createLater = async (name) => ({ fetch: async () => new Response('later ' + name) })
`

/** As the app of a user gets it, by `proxyfix/context`. */
const contextModule = pathToFileURL(join(root, 'dist', 'context', 'index.js')).href

interface Answer {
  readonly seen: readonly string[]
  readonly most: number
}

let folder: string
let server: Serving | undefined

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-shapes-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'your_project.js'), APP)
  const installed = join(folder, 'node_modules', '@acme', 'site')
  mkdirSync(installed, { recursive: true })
  writeFileSync(
    join(installed, 'package.json'),
    '{ "type": "module", "exports": { "./web": { "import": "./web.js" } } }',
  )
  writeFileSync(join(installed, 'web.js'), APP)
})
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(async () => {
  await server?.stop()
  server = undefined
})

async function body(target = '/'): Promise<string> {
  const { status, body: text } = await ask({ to: server?.url ?? '', host: 'a.example', target })
  expect(status).toBe(200)
  return text
}

async function started(args: readonly string[], options: RunOptions = {}): Promise<Serving> {
  server = await launch(args, { folder, ...options })
  return server
}

/** Which processes answer so many requests. */
async function answering(times: number): Promise<Set<string>> {
  const seen = new Set<string>()
  for (let time = 0; time < times; time++) seen.add(await body())
  return seen
}

describe('gunicorn', () => {
  it('-w 4 -b HOST:PORT your_project:app', async () => {
    const { pid } = await started(['-w', '4', '-b', '127.0.0.1:0', 'your_project.js:app'])
    const seen = await answering(8)
    expect(seen.size).toBe(4)
    expect(seen).not.toContain(`app in ${pid}`)
  })

  it.each([
    ['your_project:create_app()', 'your_project.js:createApp()', 'nobody'],
    ['your_project:create_app("x", {…})', 'your_project.js:createApp("x", { loud: true, times: 2 })', 'XX'],
    ['a factory that is async', "your_project.js:createLater('x')", 'later x'],
  ])('"%s"', async (_, spec, says) => {
    await started(['-b', '127.0.0.1:0', spec])
    expect(await body()).toBe(says)
    await server?.stop()
    await started(['-w', '2', '-b', '127.0.0.1:0', spec])
    expect(await body()).toBe(says)
  })

  it.each(['gevent', 'eventlet'])('-k %s is answered by a sentence', async (kind) => {
    const { code, stderr } = await run(['serve', '-k', kind, 'your_project.js:app'], folder)
    expect([code, stderr]).toStrictEqual([
      2,
      'proxyfix: There is no option -k: the event loop is the only kind of worker, and serves many requests at once: leave it out.\n',
    ])
  })

  // What -k gevent is for in Python: many requests at once, each with variables of its own.
  it.each([
    ['one process', []],
    ['workers', ['-w', '2']],
  ])('has variables of each request in %s, however many run at once', async (_, workers) => {
    const wait = 'await new Promise((resolve) => setTimeout(resolve, Math.random() * 20))'
    writeFileSync(
      join(folder, 'locals.js'),
      `import { ContextVar, g, request, requestContext } from ${JSON.stringify(contextModule)}
       const user = new ContextVar('user')
       let running = 0
       let most = 0
       export default requestContext(async (req, res) => {
         most = Math.max(most, ++running)
         user.set(req.url)
         g.user = req.url
         ${wait}
         const seen = [request.url]
         ${wait}
         res.on('finish', () => running--)
         seen.push(g.user, user.get())
         res.end(JSON.stringify({ seen, most }))
       })`,
    )
    await started([...workers, '-b', '127.0.0.1:0', 'locals.js'])
    const targets = Array.from({ length: 200 }, (__, index) => `/${index}`)
    const answers = await Promise.all(targets.map(async (target) => JSON.parse(await body(target)) as Answer))
    expect(answers.map(({ seen }) => seen)).toStrictEqual(targets.map((target) => [target, target, target]))
    expect(Math.max(...answers.map(({ most }) => most))).toBeGreaterThan(1)
  })

  it('without -b listens on $PORT, without -w runs $WEB_CONCURRENCY workers', async () => {
    await started(['your_project.js:app'], { env: { PORT: '0', WEB_CONCURRENCY: '2' } })
    expect(await server?.said('Listening')).toMatch(/Listening on http:\/\/localhost:\d+ and every interface/)
    expect((await answering(4)).size).toBe(2)
  })
})

describe('an app of a package that is installed', () => {
  it.each([
    ['one process', []],
    ['workers', ['-w', '2']],
  ])('is served by %s', async (_, workers) => {
    await started([...workers, '-b', '127.0.0.1:0', "@acme/site/web:createApp('shop')"])
    expect(await body()).toBe('shop')
  })
})

describe('uWSGI', () => {
  it('--master -p 4 --http :8000 -w app', async () => {
    await started(['-p', '4', '-b', ':0', 'your_project'])
    expect((await answering(8)).size).toBe(4)
  })

  it('-w app, the module as uWSGI takes it, is answered by a sentence', async () => {
    const { code, stderr } = await run(['serve', '--processes', '4', '-w', 'app'], folder)
    expect([code, stderr]).toStrictEqual([
      2,
      "proxyfix: The option -w takes a number of workers, not 'app': give the module as the last argument, as in app.js:app.\n",
    ])
  })
})

describe('gevent', () => {
  it('WSGIServer(("", 5000), app).serve_forever()', async () => {
    const app = (_request: Request): Response => new Response('served')
    const running = await createServer(app, { bind: ':0' }).listen()
    expect(running.addresses[0]).toMatchObject({ address: '::', family: 'IPv6' })
    expect(await ask({ to: running.url, host: 'a.example' })).toStrictEqual({ status: 200, body: 'served' })
    await running.close()
  })
})

describe('eventlet', () => {
  it('wsgi.server(eventlet.listen(("", 5000)), app)', async () => {
    const listening = net.createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const { port } = listening.address() as AddressInfo // as it does not listen on a pipe
    const running = await serve((_request: Request) => new Response('served'), { bind: listening })
    expect(running.url).toBe(`http://127.0.0.1:${port}`)
    expect(await ask({ to: running.url, host: 'a.example' })).toStrictEqual({ status: 200, body: 'served' })
    await running.close()
    expect(listening.listening).toBe(false)
  })

  it('a socket that is only a file descriptor', async () => {
    const listening = net.createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const { _handle: handle } = listening as unknown as { readonly _handle: { readonly fd: number } }
    const { fd } = handle
    await started(['-b', 'fd:3', 'your_project.js'], { fds: [fd] })
    listening.close() // this process's copy
    const { port } = new URL(server?.url ?? '')
    expect(Number(port)).toBeGreaterThan(0)
    expect(await body()).toMatch(/^app in/)
  })
})

describe('twistd', () => {
  it('-n web --port tcp:8080 --wsgi myproject.app', async () => {
    await started(['-b', 'tcp:0:interface=127.0.0.1', 'your_project.app'])
    expect(server?.url).toMatch(/^http:\/\/127\.0\.0\.1:/)
    expect(await body()).toMatch(/^app in/)
  })

  it('--listen twice, one of them tcp6', async () => {
    await started(['-b', 'tcp:0:interface=127.0.0.1:backlog=50', '-b', 'tcp6:0:interface=[::1]', 'your_project.js'])
    expect(server?.urls).toHaveLength(2)
    for (const url of server?.urls ?? []) {
      expect((await ask({ to: url, host: 'a.example' })).status).toBe(200)
    }
  })
})
