/** `node --import proxyfix/auto` on programs as people have them, which know nothing of it. */

import { afterEach, describe, expect, it } from 'vitest'
import { fixture, type Program, start, startServe } from '../fixtures/auto/start.ts'
import { root } from './paths.ts'
import { ask, type HeaderLine, type Response } from './wire.ts'

const AUTO = ['--import', 'proxyfix/auto']
const ENVIRONMENT_AUTO = { NODE_OPTIONS: AUTO.join(' ') }
const SETTINGS = {
  PROXYFIX_X_FOR: '1',
  PROXYFIX_X_PROTO: '1',
  PROXYFIX_X_HOST: '1',
}

/** A request of a liar, as one proxy passes it on that appends to each header. */
const FORGED: readonly HeaderLine[] = [
  ['X-Forwarded-For', '6.6.6.6, 203.0.113.7'],
  ['X-Forwarded-Proto', 'http, https'],
  ['X-Forwarded-Host', 'evil.example, shop.example'],
]

const CLIENT = { ip: '203.0.113.7', secure: true, host: 'shop.example', url: '/cart' }
const PEER = { ip: '127.0.0.1', secure: false, host: 'internal.example', url: '/cart' }

/** What each process may say: one warning, as no addresses of proxies are set here. */
const WARNING =
  /^proxyfix\/auto: Warning: Hop counts believe whoever connects: [^\n]* better, list them in PROXYFIX_TRUSTED_PROXIES\.\n$/

let program: Program | undefined
afterEach(async () => {
  await program?.stop()
  program = undefined
})

async function started(args: readonly string[], variables: Readonly<Record<string, string>>): Promise<Program> {
  return (program = await start(args, variables))
}

async function get({ ports }: Program, name = 'app', target = '/cart'): Promise<Response> {
  return await ask({ to: `http://127.0.0.1:${ports[name]}`, target, host: 'internal.example', headers: FORGED })
}

async function report(running: Program, name?: string): Promise<unknown> {
  return JSON.parse((await get(running, name)).body)
}

describe('an Express program in CommonJS', () => {
  it('sees the proxy without, and believes no header', async () => {
    expect(await report(await started([fixture('express.cjs')], SETTINGS))).toEqual(PEER)
  })

  it('sees the client', async () => {
    expect(await report(await started([...AUTO, fixture('express.cjs')], SETTINGS))).toEqual(CLIENT)
  })

  it('redirects to the host and the scheme that the client knows', async () => {
    const running = await started([...AUTO, fixture('express.cjs')], SETTINGS)
    expect((await get(running, 'app', '/redirect')).body).toBe('Found. Redirecting to https://shop.example/cart')
  })
})

describe('a program with workers', () => {
  it('cluster: each worker sees the client, and the warning is told once', async () => {
    const running = await started([...AUTO, fixture('cluster.cjs')], SETTINGS)
    // Connections go to the workers in turn.
    for (let request = 0; request < 4; request++) expect(await report(running)).toEqual(CLIENT)
    expect((await running.stop()).stderr).toMatch(WARNING)
  })

  it('cluster, under a manager that loads no preload: each worker sees the client, and tells the warning', async () => {
    const running = await started([fixture('cluster.cjs'), ...AUTO], SETTINGS)
    for (let request = 0; request < 4; request++) expect(await report(running)).toEqual(CLIENT)
    expect((await running.stop()).stderr.match(/Warning: Hop counts/g)).toHaveLength(2)
  })

  it.each([
    ['as they are', 'plain'],
    ['with an environment of their own', 'own environment'],
  ])('threads, %s, see the client, and the warning is told once', async (_, name) => {
    const running = await started([...AUTO, fixture('threads.cjs')], SETTINGS)
    expect(await report(running, name)).toEqual(CLIENT)
    expect((await running.stop()).stderr).toMatch(WARNING)
  })

  it('threads with options of their own see the client when NODE_OPTIONS names the preload', async () => {
    const running = await started([fixture('threads.cjs')], { ...SETTINGS, ...ENVIRONMENT_AUTO })
    expect(await report(running, 'own options')).toEqual(CLIENT)
    expect(await report(running, 'plain')).toEqual(CLIENT)
  })

  it('child processes see the client when NODE_OPTIONS names the preload', async () => {
    const running = await started([fixture('child.cjs')], { ...SETTINGS, ...ENVIRONMENT_AUTO })
    expect(await report(running)).toEqual(CLIENT)
    expect((await running.stop()).stderr).toMatch(WARNING)
  })
})

describe("OpenTelemetry's HTTP instrumentation", () => {
  const TELEMETRY = ['--import', fixture('telemetry.cjs')]

  it('believes the liar without', async () => {
    const running = await started([...TELEMETRY, fixture('plain.cjs')], SETTINGS)
    expect(await report(running)).toEqual(PEER)
    expect(JSON.parse(await running.line('span '))).toMatchObject({ 'client.address': '6.6.6.6' })
  })

  it.each([
    ['before', [...TELEMETRY, ...AUTO]],
    ['after', [...AUTO, ...TELEMETRY]],
    ['required before', ['--require', fixture('telemetry.cjs'), ...AUTO]],
  ])('loaded %s proxyfix/auto: spans show the client, and so does the program', async (_, preloads) => {
    const running = await started([...preloads, fixture('plain.cjs')], SETTINGS)
    expect(await report(running)).toEqual(CLIENT)
    expect(JSON.parse(await running.line('span '))).toMatchObject({
      'client.address': '203.0.113.7',
      'network.peer.address': '203.0.113.7',
      'server.address': 'shop.example',
      'url.path': '/cart',
      'http.response.status_code': 200,
    })
  })
})

describe('an agent that puts itself in front of the server', () => {
  const AGENT = ['--import', fixture('agent.cjs')]

  it.each([
    ['before', [...AGENT, ...AUTO]],
    ['after', [...AUTO, ...AGENT]],
  ])('loaded %s proxyfix/auto: sees the client', async (_, preloads) => {
    const running = await started([...preloads, fixture('plain.cjs')], SETTINGS)
    expect(await report(running)).toEqual(CLIENT)
    expect(JSON.parse(await running.line('span '))).toEqual(CLIENT)
  })
})

describe('a program that uses proxyfix itself', () => {
  it('is told once that the variables decide', async () => {
    const running = await started([...AUTO, fixture('own-proxy-fix.js')], {
      ...SETTINGS,
      PROXYFIX_TRUSTED_PROXIES: 'loopback',
    })
    expect(await report(running)).toEqual(CLIENT)
    expect(await report(running)).toEqual(CLIENT)
    expect((await running.stop()).stderr.match(/PROXYFIX_TWICE/g)).toHaveLength(1)
  })

  it('proxyfix serve: serves what the variables decide', async () => {
    const running = (program = await startServe(AUTO, `${root}/examples/whoami-fetch.js`, SETTINGS))
    expect(JSON.parse((await get(running)).body)).toMatchObject({
      address: '203.0.113.7',
      url: 'https://shop.example/cart',
    })
  })
})
