/** What is set, where three sources say something of it: each setting of the table in each of them. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  readServeArguments,
  serverOptions,
  serveOptionsOf,
  type ServeSettings,
  serveSettings,
} from '../../../src/cli/serve-settings.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'
import { flagOf, SETTINGS, type SettingName, variableOf } from '../../../src/server/settings.ts'
import { ProxyFixError } from '../../../src/trust/error.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-settings-'))
  for (const name of ['PORT', 'WEB_CONCURRENCY', 'LISTEN_FDS']) vi.stubEnv(name, undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

interface Sources {
  readonly typed?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly file?: object
}

async function settingsOf({ typed = [], env = {}, file = {} }: Sources): Promise<ServeSettings> {
  const config = join(folder, 'config.json')
  writeFileSync(config, JSON.stringify(file))
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  return await serveSettings(readServeArguments(['--config', config, ...typed, 'app.js']))
}

interface Example {
  /** As text, in a flag and in a variable. */
  readonly text: string
  readonly value: unknown
  /** What it needs beside it. */
  readonly beside?: object
}

/** One for each setting that all sources have. */
const EXAMPLES: Readonly<Record<Exclude<SettingName, 'app' | 'config' | 'chdir' | 'dotenv'>, Example>> = {
  bind: { text: ':9000', value: [':9000'] },
  backlog: { text: '50', value: 50 },
  pid: { text: 'app.pid', value: 'app.pid' },
  dev: { text: 'true', value: true },
  watch: { text: 'templates', value: ['templates'], beside: { dev: true } },
  workers: { text: '3', value: 3 },
  timeout: { text: '45', value: 45, beside: { workers: 1 } },
  gracefulTimeout: { text: '1m', value: 60 },
  shutdownDelay: { text: '500ms', value: 0.5 },
  maxRequests: { text: '1000', value: 1000, beside: { workers: 1 } },
  maxRequestsJitter: { text: '50', value: 50, beside: { workers: 1, maxRequests: 10 } },
  cert: { text: 'adhoc', value: 'adhoc' },
  key: { text: 'key.pem', value: 'key.pem', beside: { cert: 'cert.pem' } },
  http2: { text: 'true', value: true },
  nativeResponse: { text: 'true', value: true },
  proxyProtocol: { text: '10.0.0.5', value: ['10.0.0.5'] },
  accessLog: { text: '-', value: '-' },
  accessLogFormat: { text: 'json', value: 'json', beside: { accessLog: '-' } },
  health: { text: '/up', value: '/up' },
  static: { text: '/a=public', value: ['/a=public'] },
  maxHeaderSize: { text: '32k', value: 32_768 },
  maxHeaders: { text: '200', value: 200 },
  maxTarget: { text: '4000', value: 4000 },
  maxBody: { text: '1m', value: 1_048_576 },
  headersTimeout: { text: '10', value: 10 },
  requestTimeout: { text: '2m', value: 120 },
  responseTimeout: { text: '1.5', value: 1.5 },
  keepAliveTimeout: { text: '5s', value: 5 },
}

describe('every setting', () => {
  it('has an example here', () => {
    const names = SETTINGS.filter(({ only }) => only === undefined).map(({ name }) => name)
    expect(Object.keys(EXAMPLES).toSorted()).toStrictEqual(names.toSorted())
  })

  it.each(Object.entries(EXAMPLES))('%s can be typed, stand in a variable, and in the file', async (name, example) => {
    const { text, value, beside } = example
    const flag = `--${flagOf(name)}`
    const typed = value === true ? [flag] : [flag, text]
    const sources: Sources[] = [
      { typed, ...(beside && { file: beside }) },
      { env: { [variableOf(name)]: text }, ...(beside && { file: beside }) },
      { file: { ...beside, [name]: value } },
    ]
    for (const source of sources) {
      const { settings } = await settingsOf(source)
      expect(settings).toMatchObject({ [name]: value })
      vi.unstubAllEnvs()
    }
  })
})

describe('where several sources say something', () => {
  it('what is typed counts before a variable, and that before the file', async () => {
    const file = { bind: ':1', health: '/file', maxHeaders: 1 }
    const env = { PROXYFIX_BIND: ':2', PROXYFIX_HEALTH: '/variable' }
    const { settings } = await settingsOf({ file, env, typed: ['-b', ':3', '-b', ':4'] })
    expect(settings).toMatchObject({ bind: [':3', ':4'], health: '/variable', maxHeaders: 1, app: 'app.js' })
  })

  it('that holds for each option of whom to believe, too', async () => {
    const { proxyFix } = await settingsOf({
      file: { proxyFix: { xFor: 3, xProto: 3, xHost: 3, trustedProxies: ['10.0.0.1'] } },
      env: { PROXYFIX_X_FOR: '2', PROXYFIX_X_PROTO: '2' },
      typed: ['--x-for', '1'],
    })
    const counts = { xFor: 1, xProto: 2, xHost: 3, xPort: 0, xPrefix: 0 }
    expect(proxyFix).toStrictEqual({ ...counts, trustedProxies: ['10.0.0.1'] })
  })

  it('--dev counts before workers that another source sets, and what is about them', async () => {
    const file = { workers: 4, maxRequests: 1000, timeout: 5, health: '/up' }
    const { settings } = await settingsOf({ file, env: { PROXYFIX_MAX_REQUESTS_JITTER: '5' }, typed: ['--dev'] })
    expect(settings).toStrictEqual({
      app: 'app.js',
      config: expect.any(String),
      bind: ['127.0.0.1:8000'],
      dev: true,
      health: '/up',
    })
  })

  it('a flag is taken back by another', async () => {
    const { settings } = await settingsOf({ file: { cert: 'adhoc', http2: true }, typed: ['--no-http2'] })
    expect(settings).toMatchObject({ cert: 'adhoc', http2: false })
  })

  it('a count of 0 means that nobody is believed, and is not the same as nothing', async () => {
    expect((await settingsOf({ env: { PROXYFIX_X_FOR: '1' }, typed: ['--x-for', '0'] })).proxyFix).toMatchObject({
      xFor: 0,
    })
    vi.unstubAllEnvs()
    expect((await settingsOf({})).proxyFix).toBeUndefined()
  })
})

describe('what platforms set', () => {
  it.each([
    [{}, ['127.0.0.1:8000']],
    [{ PORT: '3000' }, [':3000']],
    [{ PORT: '3000', PROXYFIX_BIND: ':1, :2' }, [':1', ':2']],
    [{ PORT: '3000', PROXYFIX_DEV: 'true' }, ['127.0.0.1:3000']],
    [{ PORT: '' }, ['127.0.0.1:8000']],
    [{ LISTEN_FDS: '1', LISTEN_PID: String(process.pid), PORT: '3000' }, ['systemd']],
    [{ LISTEN_FDS: '1', LISTEN_PID: '1' }, ['127.0.0.1:8000']],
  ])('%o is listening on %o', async (env, bind) => {
    expect((await settingsOf({ env })).settings.bind).toStrictEqual(bind)
  })

  it.each([
    [{ WEB_CONCURRENCY: '3' }, 3],
    [{ WEB_CONCURRENCY: '3', PROXYFIX_WORKERS: '2' }, 2],
    [{ WEB_CONCURRENCY: '3', PROXYFIX_DEV: '1' }, undefined],
    [{ WEB_CONCURRENCY: '' }, undefined],
    [{ WEB_CONCURRENCY: 'auto' }, availableParallelism()],
    [{ PROXYFIX_WORKERS: 'auto' }, availableParallelism()],
  ])('%o is as many workers as %o', async (env, workers) => {
    expect((await settingsOf({ env })).settings.workers).toBe(workers)
  })

  it.each([
    [{ PORT: 'http' }, "'http'"],
    [{ PORT: '65536' }, "'65536'"],
    [{ WEB_CONCURRENCY: '0' }, "'0'"],
    [{ WEB_CONCURRENCY: 'all' }, "'all'"],
    [{ WEB_CONCURRENCY: '9999' }, 'WEB_CONCURRENCY takes a whole number, 1 to 256'],
  ])('%o is refused', async (env, says) => {
    await expect(settingsOf({ env })).rejects.toThrow(says)
  })
})

describe('a mistake', () => {
  it.each<[sources: Sources, says: string]>([
    [
      { env: { PROXYFIX_BACKLOG: 'many' } },
      "The variable PROXYFIX_BACKLOG takes a whole number, 1 or more, not 'many'.",
    ],
    [{ env: { PROXYFIX_HTTP2: 'yes' } }, 'The variable PROXYFIX_HTTP2 must be true or false'],
    [{ env: { PROXYFIX_HEALTH: ' ' } }, 'The variable PROXYFIX_HEALTH is empty'],
    [{ env: { PROXYFIX_BAKLOG: '1' } }, 'did you mean PROXYFIX_BACKLOG?'],
    [{ env: { PROXYFIX_X_FRO: '1' } }, 'did you mean PROXYFIX_X_FOR?'],
    [{ file: { backlog: 'many' } }, "backlog in the config file takes a whole number, 1 or more, not 'many'."],
    [{ file: { backlog: true } }, 'backlog in the config file must be a whole number, not true.'],
    [{ file: { http2: 'yes' } }, "http2 in the config file must be true or false, not 'yes'."],
    [{ file: { bind: 8000 } }, 'bind in the config file must be text or a list of texts, not 8000.'],
    [{ file: { bind: [] } }, 'bind in the config file is an empty list'],
    [{ file: { xFor: 1 } }, "config.json sets 'xFor' in the wrong place: write proxyFix: { xFor: … }."],
    [{ file: { proxyFix: { xfor: 1 } } }, 'There is no option xfor in the config file: did you mean xFor?'],
    [{ file: { proxyFix: 1 } }, 'must be an object like { xFor: 1 }'],
    [{ file: { keepAliveTimeout: '1 hour' } }, 'keepAliveTimeout in the config file takes a number of seconds'],
    [{ file: { http2: true } }, 'The option http2 in the config file needs TLS'],
    [{ env: { PROXYFIX_HTTP2: '1' } }, 'The variable PROXYFIX_HTTP2 needs TLS'],
    [{ typed: ['--http2'] }, 'The option --http2 needs TLS'],
    [{ file: { maxRequests: 5 } }, 'The option maxRequests in the config file is about workers'],
    [
      { env: { PROXYFIX_X_FOR: 'trusted' } },
      "The variable PROXYFIX_X_FOR is 'trusted', so PROXYFIX_TRUSTED_PROXIES must say who is",
    ],
    [{ file: { proxyFix: { xFor: 'trusted' } } }, "is 'trusted', so trustedProxies must say who is"],
    [
      { typed: ['-w', '8000'] },
      "The option --workers takes a whole number, 1 to 256, or 'auto', not '8000': for a port write -b :PORT",
    ],
    [
      { env: { WEB_CONCURRENCY: 'x' } },
      "The variable WEB_CONCURRENCY takes a whole number, 1 to 256, or 'auto', not 'x'.",
    ],
    [{ file: { workers: 'two' } }, "workers in the config file takes a whole number, 1 to 256, or 'auto', not 'two'."],
    [{ typed: ['-w', '-1'] }, "The option --workers takes a whole number, 1 to 256, or 'auto', not '-1'."],
    [{ typed: ['-w=2'] }, "The option -w takes its value without '=': write -w 2."],
    [
      { typed: ['-p', 'all'] },
      "not 'all': for a port write -b :PORT for every interface, or -b HOST:PORT, and for a pid file --pid FILE.",
    ],
    [
      { typed: ['--max-header-size', '1'] },
      "The option --max-header-size takes a number of bytes like 1048576 or 1m, 256 or more, not '1'.",
    ],
    [
      { typed: ['--headers-timeout', '0'] },
      "The option --headers-timeout takes a number of seconds, or a duration like 500ms or 2m, 1ms or longer, not '0'.",
    ],
    [
      { env: { PROXYFIX_KEEP_ALIVE_TIMEOUT: '0' } },
      'The variable PROXYFIX_KEEP_ALIVE_TIMEOUT takes a number of seconds',
    ],
    [{ file: { headersTimeout: 0 } }, 'headersTimeout in the config file takes a number of seconds'],
    [{ typed: ['-w', '0'] }, "The option --workers takes a whole number, 1 to 256, or 'auto', not '0'."],
    [{ env: { PROXYFIX_WORKERS: '257' } }, 'The variable PROXYFIX_WORKERS takes a whole number, 1 to 256'],
    [{ file: { workers: 1e9 } }, 'workers in the config file takes a whole number, 1 to 256'],
    [{ typed: ['-w', '1', '--timeout', '1200h'] }, 'The option --timeout takes 2147483 seconds at most'],
    [{ env: { PROXYFIX_GRACEFUL_TIMEOUT: '600h' } }, 'PROXYFIX_GRACEFUL_TIMEOUT takes 2147483 seconds at most'],
    [
      { file: { shutdownDelay: '0.1ms' } },
      "shutdownDelay in the config file takes a number of seconds, or a duration like 500ms or 2m, 1ms or longer, not '0.1ms'.",
    ],
    [{ file: { shutdownDelay: 2_147_484 } }, 'shutdownDelay in the config file takes 2147483 seconds at most'],
    [{ env: { PROXYFIX_CHDIR: '' } }, 'The variable PROXYFIX_CHDIR is empty'],
    [{ env: { PROXYFIX_DOTENV: '' } }, 'The variable PROXYFIX_DOTENV is empty'],
    [{ typed: ['--watch', 'templates'] }, 'The option --watch does nothing alone: set --dev as well.'],
    [{ file: { workers: 2, dev: true } }, 'The options dev and workers cannot be set both'],
    [{ file: { dev: true }, typed: ['-w', '2'] }, 'cannot be set both'],
    [{ file: { health: 1 } }, 'health in the config file must be text, not 1.'],
    [{ file: { proxyFix: 1 } }, 'proxyFix in the config file must be an object'],
    [{ file: { bnid: ':1' } }, 'bind'],
    [{ file: { proxyFix: { trustedProxies: 'loopback' } } }, 'does nothing alone'],
    [{ typed: ['--trust', 'loopback'] }, 'set --x-for, or --forwarded, or another count as well.'],
    [
      { env: { PROXYFIX_TRUSTED_PROXIES: 'loopback' } },
      'set PROXYFIX_X_FOR, or PROXYFIX_FORWARDED, or another count as well.',
    ],
    [{ file: { proxyFix: { trustedProxies: 'loopback' } } }, 'set xFor, or forwarded, or another count as well.'],
    [{ typed: ['--on-invalid', 'reject'] }, 'The option --on-invalid does nothing alone'],
    [{ file: { trust: 'loopback' } }, "sets 'trust', which is no option: write proxyFix: { trustedProxies: … }."],
    [{ file: { trustProxy: true } }, 'write proxyFix: { trustedProxies: … }.'],
    [{ file: { tls: {} } }, "sets 'tls', which is no option: write cert and key."],
    [{ file: { port: 80 } }, "sets 'port', which is no option: write bind."],
    [{ file: { chdir: 'x' } }, "sets 'chdir', which is no option: write --chdir, or set PROXYFIX_CHDIR."],
    [{ file: { config: 'x' } }, "sets 'config', which is no option: write --config, or set PROXYFIX_CONFIG."],
    [{ file: { dotenv: 'x' } }, "sets 'dotenv', which is no option: write --dotenv, or set PROXYFIX_DOTENV."],
    [{ file: { 'x-for': 1 } }, "sets 'x-for' in the wrong place: write proxyFix: { xFor: … }."],
    [{ file: { allowedHost: 'a' } }, "sets 'allowedHost' in the wrong place: write proxyFix: { allowedHosts: … }."],
    [
      { env: { PROXYFIX_TRUST: 'loopback' } },
      'There is no variable PROXYFIX_TRUST: did you mean PROXYFIX_TRUSTED_PROXIES?',
    ],
    [{ env: { PROXYFIX_X_SCHEME: '1' } }, 'PROXYFIX_PREFIX_MODE, PROXYFIX_SOCKET.'],
    [
      { typed: ['--headers', 'keep'] },
      'There is no option --headers: write proxyFix: { headers: … } in the config file',
    ],
    [{ typed: ['--prefix-mode', 'url'] }, 'There is no option --prefix-mode: write proxyFix: { prefixMode: … }'],
    [{ typed: ['--socket', 'false'] }, 'proxyFix: { socket: false } in the config file'],
    [{ typed: ['--dev', '-w', '2'] }, 'The options --dev and --workers cannot be set both'],
    [{ typed: ['--max-requests', '1'] }, 'there are none'],
  ])('in %o is told', async (sources, says) => {
    const error: unknown = await settingsOf(sources)
      .then(serverOptions)
      .catch((reason: unknown) => reason)
    expect(error instanceof ProxyFixError || error instanceof UsageError).toBe(true)
    expect((error as Error).message).toContain(says)
    expect((error as Error).message).toMatch(/^[^\n]+[.?]$/)
  })

  it.each([
    [['-p', '3000'], '-b :PORT'],
    [['-p', 'all'], '-b :PORT'],
    [['-p', '2', '-w', '2'], 'mean the same'],
    [['-k', 'gevent'], 'the event loop is the only kind'],
    [['other.js'], 'one too many'],
  ])('in %o is told', (args, says) => {
    expect(() => readServeArguments(['app.js', ...args])).toThrow(says)
  })
})

describe('the options of the server', () => {
  it('are made of the settings: seconds become milliseconds, and 0 no limit', async () => {
    const typed = ['--headers-timeout', '0.5', '--request-timeout', '0', '--max-body', '0', '--access-log', 'a.log']
    expect(serveOptionsOf(await settingsOf({ typed }))).toMatchObject({
      headersTimeout: 500,
      requestTimeout: Infinity,
      maxBody: Infinity,
      accessLog: { to: 'a.log', format: 'combined' },
    })
  })

  it('log requests in colours for people, with --dev', async () => {
    expect(serveOptionsOf(await settingsOf({ typed: ['--dev'] }))).toMatchObject({
      accessLog: { to: '-', format: 'dev' },
    })
  })
})
