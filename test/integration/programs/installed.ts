/**
 * Programs as people have them: a folder of test/fixtures/programs, installed by npm and built by its own script. That
 * takes a while, so what was built is kept until something in the folder changes, as node_modules is.
 */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { root } from '../paths.ts'

/** Gone with the next `npm ci`. */
const kept = `${root}/node_modules/.cache/programs`

/** @returns The folder of the program, which has proxyfix among its packages. */
export async function installedProgram(name: string): Promise<string> {
  const source = `${root}/test/fixtures/programs/${name}`
  const folder = join(kept, `${name}-${fingerprintOf(source)}`)
  if (!existsSync(folder)) await install(source, folder)
  for (const other of readdirSync(kept)) {
    if (other.startsWith(`${name}-`) && join(kept, other) !== folder) rmSync(join(kept, other), { recursive: true })
  }
  return folder
}

/** Nobody finds half of it: it gets its name when all is done. */
async function install(source: string, folder: string): Promise<void> {
  mkdirSync(kept, { recursive: true })
  const unfinished = mkdtempSync(join(kept, 'unfinished-'))
  try {
    cpSync(source, unfinished, { recursive: true })
    await npm(unfinished, 'ci', '--ignore-scripts', '--no-audit', '--no-fund')
    symlinkSync(root, join(unfinished, 'node_modules', 'proxyfix'), 'dir')
    await npm(unfinished, 'run', 'build')
    renameSync(unfinished, folder)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

/** All that has a say in what is built. */
function fingerprintOf(source: string): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${root}\n`)
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const path = join(source, file)
    if (statSync(path).isFile()) hash.update(`${file}\n`).update(readFileSync(path))
  }
  return hash.digest('hex').slice(0, 16)
}

async function npm(folder: string, ...args: readonly string[]): Promise<void> {
  const options = { cwd: folder, env: environment(), maxBuffer: Number.MAX_SAFE_INTEGER }
  await new Promise<void>((resolve, reject) => {
    execFile('npm', args, options, (error, stdout, stderr) => {
      if (error === null) return resolve()
      const said = `${stderr}${stdout}`.split('\n', 30).join('\n') // npm goes on to tell of all its options
      reject(new Error(`npm ${args.join(' ')} failed, so that there is no program to test:\n${said}`))
    })
  })
}

/** Less what Vitest and npm say of the tests, which is not said of the program. */
export function environment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^PROXYFIX|^NODE_(?:ENV|OPTIONS|V8_COVERAGE)|^VITEST|^npm_(?:package|lifecycle|command)/.test(name),
  )
  return { ...Object.fromEntries(inherited), NEXT_TELEMETRY_DISABLED: '1', ASTRO_TELEMETRY_DISABLED: '1' }
}
