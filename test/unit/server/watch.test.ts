/** Which changes are told, and which are not. */

import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadedFiles } from '../../../src/server/dev/loaded-files.ts'
import { watchFiles, type Watching } from '../../../src/server/dev/watch.ts'

let home: string
let watching: Watching | undefined
let told: string[]
let heard: () => void

beforeEach(() => {
  home = mkdtempSync(join(realpathSync(tmpdir()), 'proxyfix-watch-'))
  told = []
  heard = () => undefined
  for (const [name, text] of Object.entries({
    'root/app.js': 'export default 1',
    'root/lib/deep/part.ts': '',
    'root/node_modules/package/index.js': '',
    'root/.git/hook.js': '',
    'root/data.json': '{}',
    'outside/shared.js': '',
    'outside/other.js': '',
  })) {
    write(name, text)
  }
})
afterEach(() => {
  watching?.close()
  rmSync(home, { recursive: true })
})

function write(name: string, text: string): void {
  mkdirSync(dirname(join(home, name)), { recursive: true })
  writeFileSync(join(home, name), text)
}

function start(extra: readonly string[] = [], paths: readonly string[] = []): Watching {
  watching = watchFiles({
    root: join(home, 'root'),
    paths,
    extra: extra.map((name) => join(home, name)),
    onChange(file) {
      told.push(file.slice(home.length + 1))
      heard()
    },
  })
  return watching
}

/** What is told next, after something was done. */
async function toldAfter(act: () => void): Promise<string | undefined> {
  const next = new Promise<void>((resolve) => (heard = resolve))
  act()
  await next
  return told.at(-1)
}

describe('a path that is named', () => {
  const templates = (): void => {
    write('root/templates/deep/page.html', '')
    write('root/templates/node_modules/part.html', '')
    write('elsewhere/notes.txt', '')
  }

  it.each([
    { what: 'a file in a folder', act: () => write('root/templates/deep/page.html', 'x') },
    { what: 'a new file', act: () => write('root/templates/new.css', '') },
    { what: 'a file in a new folder', act: () => write('root/templates/new/one.txt', '') },
    { what: 'a file in a folder elsewhere', act: () => write('elsewhere/notes.txt', 'x') },
    { what: 'a file', act: () => write('root/data.json', '[]') },
  ])('counts whatever is in it: $what', async ({ act }) => {
    templates()
    start([], ['templates', '../elsewhere', 'data.json'])
    expect(await toldAfter(act)).toBeDefined()
  })

  it('does not count what packages have in it', async () => {
    templates()
    start([], ['templates'])
    write('root/templates/node_modules/part.html', 'x')
    expect(await toldAfter(() => write('root/templates/deep/page.html', 'x'))).toBe('root/templates/deep/page.html')
    expect(told).toHaveLength(1)
  })

  it('must be there', () => {
    expect(() => start([], ['templtes'])).toThrow(/^The option watch cannot take '.*templtes': there is no such file/)
  })
})

describe('a change', () => {
  it.each([
    { what: 'of a module', act: () => write('root/app.js', 'export default 2'), is: 'root/app.js' },
    { what: 'in a folder below', act: () => write('root/lib/deep/part.ts', '1'), is: 'root/lib/deep/part.ts' },
    { what: 'that is a new module', act: () => write('root/new.mjs', ''), is: 'root/new.mjs' },
    { what: 'of variables', act: () => write('root/.env.local', 'A=1'), is: 'root/.env.local' },
    { what: 'that takes a module away', act: () => rmSync(join(home, 'root/app.js')), is: 'root/app.js' },
    { what: 'that comes with a new folder', act: () => write('root/a/b/c.js', ''), is: 'root/a/b/c.js' },
    {
      what: 'by a new file in the place of the old',
      act: () => {
        write('root/app.js.tmp', 'export default 2')
        renameSync(join(home, 'root/app.js.tmp'), join(home, 'root/app.js'))
      },
      is: 'root/app.js',
    },
    {
      what: 'by a folder that is moved in',
      act: () => renameSync(join(home, 'outside'), join(home, 'root/inside')),
      is: expect.stringMatching(/^root\/inside\/(?:shared|other)\.js$/) as string,
    },
  ])('$what is told', async ({ act, is }) => {
    start()
    expect(await toldAfter(act)).toEqual(is)
  })

  it('in a folder that has taken the place of another is told', async () => {
    start()
    await toldAfter(() => rmSync(join(home, 'root/lib'), { recursive: true }))
    await toldAfter(() => write('root/lib/deep/part.ts', 'first'))
    expect(await toldAfter(() => write('root/lib/deep/part.ts', 'second, longer'))).toBe('root/lib/deep/part.ts')
  })

  it('of many files at once is told once', async () => {
    start()
    await toldAfter(() => {
      for (let index = 0; index < 50; index++) write(`root/lib/${index}.js`, '')
    })
    await toldAfter(() => write('root/app.js', 'after'))
    expect(told).toHaveLength(2)
  })

  it.each([
    { what: 'in a package', act: () => write('root/node_modules/package/index.js', 'changed') },
    { what: 'in a package that is new', act: () => write('root/node_modules/other/index.js', '') },
    { what: 'in a folder with a dot', act: () => write('root/.git/hook.js', 'changed') },
    { what: 'of data', act: () => write('root/data.json', '{"a":1}') },
    { what: 'of a log', act: () => appendFileSync(join(home, 'root/access.log'), 'line\n') },
    { what: 'of who may read', act: () => chmodSync(join(home, 'root/app.js'), 0o600) },
    { what: 'outside', act: () => write('outside/other.js', 'changed') },
  ])('$what is not told', async ({ act }) => {
    start(['outside/shared.js'])
    act()
    // What is told next is what came after it.
    expect(await toldAfter(() => write('root/lib/deep/part.ts', 'after'))).toBe('root/lib/deep/part.ts')
    expect(told).toHaveLength(1)
  })
})

describe('a file outside the folder', () => {
  it('is told when it was named', async () => {
    start(['outside/shared.js'])
    expect(await toldAfter(() => write('outside/shared.js', 'changed'))).toBe('outside/shared.js')
  })

  it('is told when it was added later', async () => {
    start().add([join(home, 'outside/shared.js')])
    expect(await toldAfter(() => write('outside/shared.js', 'changed'))).toBe('outside/shared.js')
  })

  it('is told when it comes into being', async () => {
    start(['outside/proxyfix.config.json'])
    expect(await toldAfter(() => write('outside/proxyfix.config.json', '{}'))).toBe('outside/proxyfix.config.json')
  })

  it('in the folder counts although it is no code', async () => {
    start(['root/data.json'])
    expect(await toldAfter(() => write('root/data.json', '{"a":1}'))).toBe('root/data.json')
  })

  it('of a package is not watched', async () => {
    start().add([join(home, 'root/node_modules/package/index.js')])
    write('root/node_modules/package/index.js', 'changed')
    expect(await toldAfter(() => write('root/app.js', 'after'))).toBe('root/app.js')
  })
})

describe('loadedFiles', () => {
  it.each([
    { message: { 'watch:import': ['file:///a/b%20c.mjs', 'node:fs'] }, files: ['/a/b c.mjs'] },
    { message: { 'watch:require': ['/a/b.cjs', null] }, files: ['/a/b.cjs'] },
    { message: { type: 'ready' }, files: [] },
    { message: 'ready', files: [] },
    { message: null, files: [] },
  ])('of $message are $files', ({ message, files }) => {
    expect(loadedFiles(message)).toEqual(files)
  })
})
