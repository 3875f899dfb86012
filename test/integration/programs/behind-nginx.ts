/**
 * A program, as it is and under `proxyfix/auto`, each behind a real nginx that tells who asks in one of two ways. In both
 * it asks for the app under a name of its own.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll } from 'vitest'
import { type Browser, browser, LIES } from '../browser.ts'
import { startNginx } from '../nginx.ts'
import { environment, installedProgram } from './installed.ts'

const HOST = 'shop.example'

export const CLIENT = '127.0.0.7' // nginx itself is 127.0.0.1

/** How nginx tells who asks, and the variables that say so. */
const PROXIES = {
  'X-Forwarded-*': {
    file: 'flask-2022.conf', // appends to X-Forwarded-For, and lets Forwarded through
    variables: { PROXYFIX_X_FOR: '1', PROXYFIX_X_PROTO: '1', PROXYFIX_X_HOST: '1' },
  },
  Forwarded: {
    file: 'forwarded.conf', // appends to Forwarded, and lets X-Forwarded-* through
    variables: { PROXYFIX_FORWARDED: '1' },
  },
} as const
type ProxyName = keyof typeof PROXIES
export const PROXY_NAMES = Object.keys(PROXIES) as readonly ProxyName[]

type Variables = Readonly<Record<string, string>>

/** How Node is started. */
interface Start {
  readonly args?: readonly string[]
  readonly variables?: Variables
}

export interface Program extends Start {
  /** A folder of test/fixtures/programs. */
  readonly name: string
  /** What is added to load `proxyfix/auto`. */
  readonly auto: Start
}

export interface Visit {
  /** How nginx tells who asks. */
  readonly proxy: ProxyName
  /** Whether the program that stands behind it has `proxyfix/auto`. @default false */
  readonly fixed?: boolean
  /** Whether the visitor wants to be taken for another. @default false */
  readonly liar?: boolean
}

export interface BehindNginx {
  visit(visit: Visit): Browser
}

/** Has all of it started before the tests around the call, and stopped after them. */
export function programBehindNginx(program: Program): () => BehindNginx {
  const stops: (() => Promise<void>)[] = []
  let behindNginx: BehindNginx
  beforeAll(async () => {
    behindNginx = await start(program, stops)
  }, 300_000) // npm takes its time
  afterAll(async () => {
    for (const stop of stops.toReversed()) await stop()
  })
  return () => behindNginx
}

async function start(program: Program, stops: (() => Promise<void>)[]): Promise<BehindNginx> {
  const folder = await installedProgram(program.name)
  const startWith = async ({ args = [], variables = {} }: Start): Promise<string> => {
    const all = { ...program.variables, ...variables }
    const { url, stop } = launch(folder, [...args, ...(program.args ?? [])], all)
    stops.push(stop)
    return await url
  }
  const startFixed = async (proxy: ProxyName): Promise<string> => {
    const settings = { ...PROXIES[proxy].variables, PROXYFIX_TRUSTED_PROXIES: 'loopback' }
    return await startWith({ ...program.auto, variables: { ...program.auto.variables, ...settings } })
  }

  const asItIs = await startWith({})
  const nginx = await startNginx(HOST, {
    'X-Forwarded-*': { file: PROXIES['X-Forwarded-*'].file, app: asItIs },
    Forwarded: { file: PROXIES.Forwarded.file, app: asItIs },
    'X-Forwarded-*, fixed': { file: PROXIES['X-Forwarded-*'].file, app: await startFixed('X-Forwarded-*') },
    'Forwarded, fixed': { file: PROXIES.Forwarded.file, app: await startFixed('Forwarded') },
  })
  stops.push(nginx.stop)
  return {
    visit({ proxy, fixed = false, liar = false }) {
      const site = nginx.sites[fixed ? (`${proxy}, fixed` as const) : proxy]
      const lies = liar ? LIES : undefined
      return browser({ host: HOST, site, certificate: nginx.certificate, from: CLIENT, lies })
    },
  }
}

interface Launched {
  /** Resolves when the program says where it listens. */
  readonly url: Promise<string>
  stop(): Promise<void>
}

/** Runs Node in a folder; the program chooses a free port. */
function launch(folder: string, args: readonly string[], variables: Variables): Launched {
  const env = { ...environment(), PORT: '0', HOST: '127.0.0.1', ...variables }
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  const url = new Promise<string>((resolve, reject) => {
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const [found] = /http:\/\/127\.0\.0\.1:\d+(?=\s)/.exec(said) ?? []
        if (found !== undefined) resolve(found)
      })
    }
    void ended.then(() => reject(new Error(`It ended before it listened: ${said}`)))
  })
  return {
    url,
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
