/** The type of a config file has each option of the server's table, as a file may give it, and no other. */

import { expect, expectTypeOf, it } from 'vitest'
import type { ServeConfig } from '../../../src/server/index.ts'
import { APP, checkSetting, type Settings, SETTINGS } from '../../../src/server/settings.ts'

/** One value of each kind that the type allows. */
const EVERY: Required<ServeConfig> = {
  app: 'src/app.ts:app',
  bind: [':8000', 'unix:run/app.sock'],
  backlog: 50,
  pid: 'run/app.pid',
  dev: false,
  watch: 'templates',
  workers: 'auto',
  timeout: '30s',
  gracefulTimeout: 30,
  shutdownDelay: '500ms',
  maxRequests: 1000,
  maxRequestsJitter: 100,
  cert: 'cert.pem',
  key: 'key.pem',
  http2: true,
  nativeResponse: true,
  proxyProtocol: '10.0.0.0/8',
  proxyFix: { xFor: 1 },
  accessLog: '-',
  accessLogFormat: 'json',
  health: '/healthz',
  static: ['/assets=public'],
  maxHeaderSize: '16k',
  maxHeaders: 100,
  maxTarget: 8192,
  maxBody: 1_048_576,
  headersTimeout: 20,
  requestTimeout: '5m',
  responseTimeout: 0,
  keepAliveTimeout: 75,
  $schema: 'schema.json',
}

it('takes what the table takes', () => {
  const names = [
    'proxyFix',
    '$schema',
    APP.name,
    ...SETTINGS.filter(({ only }) => only === undefined).map(({ name }) => name),
  ]
  expect(Object.keys(EVERY).toSorted()).toEqual(names.toSorted())
  for (const setting of [APP, ...SETTINGS]) {
    if (setting.only !== undefined) continue
    expect(() => checkSetting(setting, EVERY[setting.name as keyof ServeConfig], setting.name)).not.toThrow()
  }
})

it('has each name that the program reads, and tells of a wrong value', () => {
  type Named = Exclude<keyof Settings, 'config' | 'chdir' | 'dotenv'>
  expectTypeOf<Exclude<keyof ServeConfig, 'proxyFix' | '$schema'>>().toEqualTypeOf<Named>()
  expectTypeOf<{ workers: 'many' }>().not.toExtend<ServeConfig>()
  expectTypeOf<{ bind: 8000 }>().not.toExtend<ServeConfig>()
})
