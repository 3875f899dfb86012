/** One suite on every runtime: what a context does there is what it does here. */

import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { builtFilesOf, root } from './paths.ts'

const folder = mkdtempSync(join(tmpdir(), 'proxyfix-context-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const SUITE = 'test/fixtures/context/run-suite.mjs'
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)
const node = (name: string): string => join(root, 'test', 'nodes', 'node_modules', name, 'bin', 'node')

type Results = Readonly<Record<string, string>>

interface Runtime {
  readonly name: string
  readonly program: string
  run(program: string): Promise<Results>
}

const RUNTIMES: readonly Runtime[] = [
  { name: 'this Node', program: process.execPath, run: (program) => printed(program, [SUITE]) },
  { name: 'Node 22', program: node('node22'), run: (program) => printed(program, [SUITE]) },
  { name: 'Node 24', program: bin('node'), run: (program) => printed(program, [SUITE]) },
  { name: 'Node 26', program: node('node26'), run: (program) => printed(program, [SUITE]) },
  { name: 'Bun', program: bin('bun'), run: (program) => printed(program, [SUITE]) },
  { name: 'Deno', program: bin('deno'), run: (program) => printed(program, ['run', '-A', '--no-lock', SUITE]) },
  { name: 'workerd', program: bin('workerd'), run: answered },
]

async function printed(program: string, args: readonly string[]): Promise<Results> {
  const env = { ...process.env, NO_COLOR: '1', DENO_DIR: join(folder, 'deno'), DENO_NO_UPDATE_CHECK: '1' }
  const { stdout } = await promisify(execFile)(program, args, { cwd: root, env })
  return JSON.parse(stdout) as Results
}

/** Workers answer requests, so one is asked. */
async function answered(program: string): Promise<Results> {
  const child = spawn(program, ['serve', workerConfig(), `--import-path=${root}`, '--control-fd=3'], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  try {
    const port = await new Promise((resolve, reject) => {
      let said = ''
      for (const stream of [child.stderr, child.stdio[3] as Readable]) {
        stream?.setEncoding('utf8').on('data', (text: string) => {
          said += text
          const [, found] = /"port":(\d+)/.exec(said) ?? []
          if (found !== undefined) resolve(found)
        })
      }
      void ended.then(() => reject(new Error(`It ended without listening: ${said}`)))
    })
    return (await (await fetch(`http://127.0.0.1:${String(port)}/`)).json()) as Results
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

/** A configuration of workerd: the program, and the built package, module by module. */
function workerConfig(): string {
  const dist = builtFilesOf('index', 'context/index')
  const modules = ['test/fixtures/context/worker.mjs', 'test/fixtures/context/suite.mjs', ...dist]
  const lines = modules.map((name) => `    (name = "${name}", esModule = embed "/${name}")`)
  const config = join(folder, 'workerd.capnp')
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [
${lines.join(',\n')}
  ],
  compatibilityDate = "2026-01-01",
  compatibilityFlags = ["nodejs_als"]
);
`,
  )
  return config
}

/** The version of a program; nothing if it does not run here. */
function versionOf(program: string): string | undefined {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(
      '\n',
    )[0]
  } catch {
    return undefined
  }
}

describe.each(RUNTIMES)('on $name', ({ program, run }) => {
  const version = versionOf(program)

  it.skipIf(version === undefined)(
    `(${version ?? 'of which npm ci installed no program that runs here'}) a context does what it does everywhere`,
    async () => {
      const results = await run(program)
      const here = await printed(process.execPath, [SUITE])
      expect(results).toStrictEqual(Object.fromEntries(Object.keys(here).map((name) => [name, 'passed'])))
    },
  )
})
