/** `proxyfix serve --dev` as whoever develops has it: save, look, see what is wrong; and as an attacker finds it. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { close, listen } from '../fixtures/raw-http.ts'
import { launch, run, type Serving } from './program.ts'
import { ask, type HeaderLine, type Response } from './wire.ts'

let home: string
let folder: string
let server: Serving | undefined

beforeEach(() => {
  home = mkdtempSync(join(realpathSync(tmpdir()), 'proxyfix-dev-'))
  folder = join(home, 'program')
  write('program/package.json', '{ "type": "module" }')
})
afterEach(async () => {
  await server?.stop()
  server = undefined
  rmSync(home, { recursive: true })
})

function write(name: string, text: string): void {
  mkdirSync(dirname(join(home, name)), { recursive: true })
  writeFileSync(join(home, name), text)
}

async function develop(...args: readonly string[]): Promise<Serving> {
  server = await launch(['-b', '127.0.0.1:0', '--dev', ...args, 'app.js'], { folder })
  return server
}

const HTML: HeaderLine = ['Accept', 'text/html']

async function look(headers: readonly HeaderLine[] = [HTML], host = 'localhost'): Promise<Response> {
  return await ask({ to: server?.url ?? '', host, headers })
}

/** Saves a file, and waits until that is seen. */
async function save(name: string, text: string, times = 1): Promise<void> {
  write(name, text)
  await server?.said('has changed: starting anew', times)
}

const answering = (text: string): string => `export default (req, res) => res.end(${JSON.stringify(text)})`

describe('the program', () => {
  it('is loaded anew when it is saved, behind the same address', async () => {
    write('program/app.js', answering('first'))
    await develop()
    expect(await look()).toEqual({ status: 200, body: 'first' })
    await save('program/app.js', answering('second'))
    expect(await look()).toEqual({ status: 200, body: 'second' })
    await save('program/app.js', answering('third'), 2)
    expect(await look()).toEqual({ status: 200, body: 'third' })
  })

  it('lets those wait who ask while it is loaded', async () => {
    write('program/app.js', answering('first'))
    await develop()
    await save(
      'program/app.js',
      `await new Promise((resolve) => setTimeout(resolve, 300))\n${answering('slowly, the second')}`,
    )
    const answers = await Promise.all(Array.from({ length: 5 }, async () => await look()))
    expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(['slowly, the second']))
  })

  it('is loaded anew when a module changes that lies elsewhere', async () => {
    write('shared/greeting.mjs', `export const greeting = 'hello'`)
    write(
      'program/app.js',
      `import { greeting } from '../shared/greeting.mjs'\nexport default (req, res) => res.end(greeting)`,
    )
    await develop()
    expect((await look()).body).toBe('hello')
    await save('shared/greeting.mjs', `export const greeting = 'good evening'`)
    expect((await look()).body).toBe('good evening')
  })

  it('is not loaded anew for what it writes itself', async () => {
    write(
      'program/app.js',
      `import { writeFileSync } from 'node:fs'
      let count = 0
      export default (req, res) => {
        writeFileSync('data.json', String(++count))
        res.end(String(count))
      }`,
    )
    await develop()
    expect((await look()).body).toBe('1')
    expect((await look()).body).toBe('2')
    await save('program/app.js', answering('after'))
    expect((await server!.stop()).stderr.match(/has changed/g)).toHaveLength(1)
  })

  it('is loaded anew with the variables that .env has by then', async () => {
    write('program/.env', 'GREETING=hello')
    write('program/app.js', 'export default (req, res) => res.end(String(process.env.GREETING))')
    await develop()
    expect((await look()).body).toBe('hello')
    await save('program/.env', 'GREETING=good evening')
    expect((await look()).body).toBe('good evening')
    await save('program/.env', '', 2)
    expect((await look()).body).toBe('undefined')
  })

  it('is loaded anew when something changes that --watch names', async () => {
    write(
      'program/app.js',
      `import { readFileSync } from 'node:fs'
      const page = readFileSync('templates/page.html', 'utf8') + readFileSync('data.json', 'utf8')
      export default (req, res) => res.end(page)`,
    )
    write('program/templates/page.html', 'a page')
    write('program/data.json', '{}')
    await develop('--watch', 'templates', '--watch', 'data.json')
    expect((await look()).body).toBe('a page{}')
    await save('program/templates/page.html', 'a better page')
    expect((await look()).body).toBe('a better page{}')
    await save('program/data.json', '[]', 2)
    expect((await look()).body).toBe('a better page[]')
    expect(await server!.said('has changed', 2)).toContain('templates/page.html has changed')
  })

  it('is not developed where --watch names nothing', async () => {
    write('program/app.js', answering('hello'))
    const ended = await run(['serve', '--dev', '--watch', 'templtes', 'app.js'], folder)
    expect(ended).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^proxyfix: The option --watch cannot take '.*templtes': there is no such/,
      ) as string,
    })
  })

  it('is developed where the config file has workers for production', async () => {
    write('program/app.js', 'export default (req, res) => res.end(String(process.pid))')
    write('program/proxyfix.config.json', '{ "workers": 3, "maxRequests": 1 }')
    await develop()
    const { body } = await look()
    expect((await look()).body).toBe(body)
    expect((await server!.stop()).stderr.match(/ serves/g)).toHaveLength(1)
  })

  it('that cannot be loaded is told on the page, until it can', async () => {
    write('program/app.js', 'const url = undefined\nthrow new Error(`no database at <${url}>`)')
    await develop()
    const { status, body } = await look()
    expect(status).toBe(500)
    expect(body).toContain('app.js could not be loaded: Error: no database at &lt;undefined&gt;')
    expect(body).toContain('<mark>    2  throw new Error(')
    expect((await server!.said('"/" failed: ')).match(/^ +at .*app\.js:2/gm)).toHaveLength(1) // told once, not at each request
    await save('program/app.js', 'export default (req, res) => {')
    const { body: syntax } = await look()
    expect(syntax).toContain('SyntaxError: Unexpected end of input (app.js:1)')
    expect(syntax).toContain('<mark>    1  export default (req, res) =&gt; {</mark>')
    await save('program/app.js', answering('mended'), 2)
    expect(await look()).toEqual({ status: 200, body: 'mended' })
  })

  it('whose missing module is written is loaded anew', async () => {
    write('program/app.js', `export { default } from './lib/handler.js'`)
    await develop()
    expect((await look()).body).toContain('lib/handler.js')
    await save('program/lib/handler.js', answering('found'))
    expect(await look()).toEqual({ status: 200, body: 'found' })
  })

  it('logs each request', async () => {
    write('program/app.js', answering('hello'))
    await develop()
    await look()
    expect(await server!.wrote('GET /')).toMatch(/^\d\d:\d\d:\d\d GET \/ 200 [\d.]+ ms 127\.0\.0\.1\n$/)
  })

  it('is not developed in production', async () => {
    write('program/app.js', answering('hello'))
    const ended = await run(['serve', '--dev', 'app.js'], folder, { NODE_ENV: 'production' })
    expect(ended).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/NODE_ENV is production.*\.\n$/) as string,
    })
  })
})

describe('the sources', () => {
  const PLAIN: Response = { status: 500, body: 'Internal server error.\n' }
  const SECRET = 'the line above the one that fails'

  beforeEach(() => {
    write(
      'program/app.js',
      `// ${SECRET}\nexport default function fail(req, res) {\n  throw new Error('no database')\n}`,
    )
  })

  it('are shown to a browser here', async () => {
    await develop()
    const { status, body } = await look()
    expect(status).toBe(500)
    expect(body).toContain(SECRET)
    expect(body).toContain('app.js:3 in fail')
  })

  it.each<{ who: string; host?: string; headers?: readonly HeaderLine[] }>([
    { who: 'a site whose name points here', host: 'evil.example' },
    { who: 'a site whose name ends like ours', host: 'evil.localhost' },
    { who: 'a proxy here that speaks for somebody', headers: [['X-Forwarded-For', '203.0.113.7']] },
    { who: 'one who forges an address in front', headers: [['X-Forwarded-For', '127.0.0.1, 203.0.113.7']] },
    { who: 'a page of another site', headers: [['Origin', 'https://evil.example']] },
  ])('are not shown to $who', async ({ host, headers = [] }) => {
    await develop()
    expect(await look([HTML, ...headers], host)).toEqual(PLAIN)
  })

  it.each([
    { what: 'that is trusted', args: ['--x-for', '1', '--x-host', '1'] },
    { what: 'that is not', args: [] },
  ])('are not shown to a client elsewhere behind a proxy here $what', async ({ args }) => {
    await develop(...args)
    const upstream = server!.url
    // As nginx with $proxy_add_x_forwarded_for: it adds who came to it, here from elsewhere.
    const proxy = createServer((req, res) => {
      const { 'x-forwarded-for': before } = req.headers
      const headers = {
        ...req.headers,
        host: 'localhost',
        'x-forwarded-for': [before, '203.0.113.7'].filter(Boolean).join(', '),
      }
      request(upstream, { path: req.url, headers }, (answer) => {
        res.writeHead(answer.statusCode ?? 0)
        answer.pipe(res)
      }).end()
    })
    const to = `http://127.0.0.1:${await listen(proxy)}`
    for (const forged of [
      [],
      [['X-Forwarded-For', '127.0.0.1'] as const],
      [['X-Forwarded-Host', 'localhost'] as const],
    ]) {
      expect(await ask({ to, host: 'localhost', headers: [HTML, ...forged] })).toEqual(PLAIN)
    }
    await close(proxy)
  })
})
