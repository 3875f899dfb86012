/**
 * The package as it is installed: it has what package.json names and the source exports, loads little, shows the names that
 * the source has, and leads whoever asks back to it. How long a start takes depends on the machine; how much is loaded, and what
 * of Node, does not.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'rolldown'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { loadedBy } from '../../scripts/lib/imports.mjs'
import { root } from './paths.ts'

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
  readonly bin: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as Manifest
const entries = Object.entries(manifest.exports).flatMap(([name, files]) =>
  typeof files === 'string' ? [] : [{ name: name.replace('.', 'proxyfix'), ...files }],
)
/** All but the one that acts as it is loaded. */
const libraries = entries.filter(({ name }) => name !== 'proxyfix/auto')

/** Of Node's modules, those that take no time. */
const SOON = /^node:(?!https?$|http2$|tls$|crypto$)/

/** Room for a few functions more; whoever needs more than that had better know. */
const BUDGETS: readonly { entry: string; files: number; bytes: number; modules: RegExp }[] = [
  { entry: 'index', files: 2, bytes: 124_000, modules: /^$/ },
  { entry: 'context/index', files: 2, bytes: 123_000, modules: /^node:async_hooks$/ },
  { entry: 'context/opentelemetry', files: 1, bytes: 2_000, modules: /^@opentelemetry\/api$/ },
  { entry: 'server/index', files: 4, bytes: 211_000, modules: SOON },
  { entry: 'auto', files: 3, bytes: 116_000, modules: SOON },
  { entry: 'cli/main', files: 3, bytes: 116_000, modules: SOON },
  { entry: 'cli/worker', files: 5, bytes: 190_000, modules: SOON },
]

describe.each(BUDGETS)('the entry point $entry', ({ entry, files, bytes, modules }) => {
  const loaded = loadedBy(`${root}/dist/${entry}.js`)

  it(`reads ${files} files at most, and ${bytes} bytes`, () => {
    expect(loaded.files.size).toBeLessThanOrEqual(files)
    const size = [...loaded.files.values()].reduce((sum, code) => sum + Buffer.byteLength(code), 0)
    expect(size).toBeLessThanOrEqual(bytes)
    expect(size).toBeGreaterThan(200) // a file that was found
  })

  it('loads no other module before it needs it', () => {
    expect([...loaded.modules].filter((name) => !modules.test(name))).toStrictEqual([])
  })
})

it('has the code of every file of the source', () => {
  const built = readdirSync(`${root}/dist`, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.js'),
  )
  const sources = new Set(
    built.flatMap((name) => {
      const map = JSON.parse(readFileSync(`${root}/dist/${name}.map`, 'utf8')) as { sources: string[] }
      return map.sources.map((source) => resolve(`${root}/dist`, dirname(name), source))
    }),
  )
  const withCode = readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => resolve(`${root}/src`, name))
    .filter((path) => /^(?:export )?(?:async )?(?:function|class|const|let)\b/m.test(readFileSync(path, 'utf8')))
  expect(withCode.length).toBeGreaterThan(100)
  expect(withCode.filter((path) => !sources.has(path))).toStrictEqual([])
})

it('has lines that a terminal can show', () => {
  const lengths = readdirSync(`${root}/dist`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => longestLine(readFileSync(`${root}/dist/${name}`, 'utf8')))
  expect(lengths.length).toBeGreaterThan(BUDGETS.length)
  expect(Math.max(...lengths)).toBeLessThan(1000)
})

/** In characters. */
function longestLine(text: string): number {
  return Math.max(...text.split('\n').map((line) => line.length))
}

/** What the package makes of an app that is bundled for the edge, where every byte is uploaded. */
describe.each([
  { names: 'proxyFix', bytes: 60_000 },
  { names: 'proxyFix, HeaderRewriter, mount, stack', bytes: 88_000 },
  { names: 'resolveConnection', bytes: 37_000 },
])('a bundle with $names', ({ names, bytes }) => {
  it('has nothing else of the package', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'proxyfix-bundle-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const input = join(folder, 'app.js')
    writeFileSync(input, `export { ${names} } from ${JSON.stringify(`${root}/dist/index.js`)}`)
    const { output } = await build({ input, platform: 'neutral', write: false, output: { minify: true } })
    expect(output).toHaveLength(1)
    expect(output[0].exports.toSorted()).toStrictEqual(names.split(', ').toSorted())
    expect(Buffer.byteLength(output[0].code)).toBeLessThanOrEqual(bytes)
  })
})

it('brings three packages at most', () => {
  const { packages } = JSON.parse(readFileSync(`${root}/package-lock.json`, 'utf8')) as {
    packages: Record<string, { dev?: boolean; peer?: boolean; devOptional?: boolean }>
  }
  const installed = Object.entries(packages)
    .filter(([path, { dev, peer, devOptional }]) => path !== '' && !dev && !peer && !devOptional)
    .map(([path]) => path.replace('node_modules/', ''))
  expect(installed).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)))
  expect(installed.length).toBeLessThanOrEqual(3)
})

describe.each(libraries)('$name', ({ default: built, types }) => {
  const source = built.replace('./dist/', '../../src/').replace('.js', '.ts')
  const load = async (): Promise<[built: object, source: object]> => [
    (await import(pathToFileURL(join(root, built)).href)) as object,
    (await import(source)) as object,
  ]

  it('exports what the source does, and no more', async () => {
    const [ours, theirs] = await load()
    expect(Object.keys(ours).toSorted()).toStrictEqual(Object.keys(theirs).toSorted())
  })

  it('calls functions and classes by the names of the source, on prototypes too', async () => {
    const [ours, theirs] = await load()
    expect(namesIn(ours)).toStrictEqual(namesIn(theirs))
  })

  it('says what they are for', () => {
    expect(readFileSync(join(root, types), 'utf8')).toContain('/**')
  })
})

function namesIn(exports: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(exports)
      .filter((entry): entry is [string, (...args: never[]) => unknown] => typeof entry[1] === 'function')
      .map(([key, value]) => {
        const prototype = (value.prototype ?? {}) as object
        return [key, [value.name, value.length, Object.getOwnPropertyNames(prototype)]]
      }),
  )
}

describe('in a project of its own', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'proxyfix-package-'))
    const installed = join(folder, 'node_modules', 'proxyfix')
    mkdirSync(installed, { recursive: true })
    const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
    const packed: unknown = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8' }))
    const [{ filename }] = Object.values(packed as object) as [{ filename: string }] // a list, or an object since npm 12
    execFileSync('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1'])
    for (const name of [...Object.keys(manifest.dependencies), '@opentelemetry']) {
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
    }
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const node = (...args: readonly string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })

  it.each(entries)('$name is found, with its types', ({ name, default: file, types }) => {
    const { stderr, status } = node('--input-type=module', '-e', `await import('${name}')`)
    expect({ status, stderr }).toMatchObject({ status: 0 })
    for (const path of [file, types]) expect(existsSync(join(folder, 'node_modules', 'proxyfix', path))).toBe(true)
  })

  it.each(libraries)('$name is found by require', ({ name }) => {
    const { stdout } = node('--no-warnings', '-p', `Object.keys(require('${name}')).length > 0`)
    expect(stdout).toBe('true\n')
  })

  it('the program tells its version, and explains', () => {
    const program = join(folder, 'node_modules', 'proxyfix', manifest.bin['proxyfix']!)
    expect(node(program, '--version').stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    const { stdout } = node(program, 'explain', '--x-for', '1', '-H', 'X-Forwarded-For: 203.0.113.7')
    expect(stdout).toContain('203.0.113.7')
  })

  it('pages link to what is there', () => {
    const installed = join(folder, 'node_modules', 'proxyfix')
    const pages = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))
    const links = pages.flatMap((page) => {
      const text = readFileSync(join(installed, page), 'utf8').replaceAll(/^```.*?^```$/gms, '')
      return [...text.matchAll(/\]\(\s*(?!\w+:|#)([^)\s#]+)/g)].map(([, link = '']) => join(dirname(page), link))
    })
    expect(links.length).toBeGreaterThan(20)
    expect(links.filter((link) => !existsSync(join(installed, link)))).toStrictEqual([])
  })

  it.each([
    { use: "import { proxyFix } from 'proxyfix'; proxyFix(() => {}, { xForr: 1 })", says: 'did you mean xFor?' },
    { use: "import { serve } from 'proxyfix/server'; await serve(() => {}, { xFor: 1 })", says: "no option 'xFor'" },
  ])('an error that nobody caught shows little of the code: $says', ({ use, says }) => {
    const { stderr } = node('--input-type=module', '-e', use)
    expect(stderr).toMatch(/^file:.*\/dist\/.*\n.*throw new /) // the line that Node shows
    expect(stderr).toContain(says)
    expect(longestLine(stderr)).toBeLessThan(1000)
  })

  it('stacks lead to the source, by name and by line', () => {
    const code = "import { trustPolicy } from 'proxyfix'; trustPolicy({ xFor: -1 })"
    const plain = node('--input-type=module', '-e', code)
    expect(plain.stderr).toMatch(/at fail \(.*\/dist\/.*\n(.*\n)*.* at trustPolicy \(.*\/dist\//)
    const mapped = node('--enable-source-maps', '--input-type=module', '-e', code)
    const [, path = '', line] =
      /at trustPolicy \((?:file:\/\/)?(.*\/src\/trust\/policy\.ts):(\d+)/.exec(mapped.stderr) ?? []
    const lines = readFileSync(path, 'utf8').split('\n')
    expect(lines.slice(0, Number(line)).findLast((text) => text.startsWith('export'))).toContain('trustPolicy')
  })
})
