/**
 * What does an app see without proxyFix, with it, and what is the truth? The same example app runs twice under
 * the bundled server, behind one real reverse proxy; honest and forged requests go to both, and a table tells.
 * Then everything keeps running, to be tried, until Ctrl-C; `--once` ends after the table.
 */

import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProgram, stopPrograms } from './lib/background.mjs'
import { makeCertificate } from './lib/certificate.mjs'
import { comparisonTable } from './lib/comparison-table.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { startForwardingProxy } from './lib/forwarding-proxy.mjs'
import { startNginx } from './lib/nginx-proxy.mjs'
import { findProgram } from './lib/programs.mjs'
import { inProject } from './lib/project.mjs'
import { run } from './lib/run.mjs'
import { say } from './lib/say.mjs'
import { ask, CLIENT, HOST, REQUESTS, truthAbout } from './lib/whoami-requests.mjs'

const APP = 'examples/whoami.js'
const PROXY_FIX = ['--x-for', '1', '--x-proto', '1', '--x-host', '1']

let folder
let ending = false

try {
  const once = wantsOnce(process.argv.slice(2))
  await ensureDependencies()
  await ensureBuild()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => end(0))
  const { wrong, sites } = await demonstrate()
  if (once) await end(wrong === 0 ? 0 : 1)
  else invite(sites)
} catch (error) {
  await fail(error.message)
}

function wantsOnce(args) {
  const unknown = args.find((arg) => arg !== '--once')
  if (unknown !== undefined) throw new Error(`The demo takes --once, not ${unknown}.`)
  return args.length > 0
}

async function ensureBuild() {
  const sources = readdirSync(inProject('src'), { recursive: true }).map((name) => inProject('src', name))
  const newest = Math.max(
    ...[...sources, inProject('tsconfig.build.json'), inProject('scripts', 'build.mjs')].map(changedAt),
  )
  if (changedAt(inProject('dist', 'cli', 'main.js')) > newest) return
  say('building')
  const { ok, output } = await run(process.execPath, [inProject('scripts', 'build.mjs')])
  if (!ok) throw new Error(output.trim())
}

function changedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0
}

async function demonstrate() {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-demo-'))
  const certificate = await makeCertificate(folder, HOST)
  if (certificate === undefined) say('no https here: openssl, which would make a certificate, is not on this machine')
  const upstreams = [await startApp([]), await startApp(PROXY_FIX)]
  say(`without proxyFix: proxyfix serve ${APP}`)
  say(`with proxyFix:    proxyfix serve ${APP} ${PROXY_FIX.join(' ')}`)
  const [without, withFix] = await startProxy({ folder, upstreams, certificate })

  const comparisons = []
  for (const request of REQUESTS) {
    if (request.scheme === 'https' && certificate === undefined) continue
    comparisons.push({
      lines: describe(request),
      without: await ask(request, without, certificate),
      with: await ask(request, withFix, certificate),
      truth: truthAbout(request),
    })
  }
  const { text, score } = comparisonTable(comparisons, process.stdout.isTTY && !process.env.NO_COLOR)
  console.log(`\n${text}\n`)
  for (const [side, { right, wrong }] of Object.entries(score))
    console.log(`${`${side} proxyFix`.padEnd(16)}  ${wrong} wrong of ${right + wrong}`)
  return { wrong: score.with.wrong, sites: { without, with: withFix } }
}

async function startApp(options) {
  const args = [inProject('dist', 'cli', 'main.js'), 'serve', APP, '-b', '127.0.0.1:0', ...options]
  return await startProgram('The example app', process.execPath, args, {
    isReady: (printed) => /Listening on (http:\/\/\S+)/.exec(printed)?.[1],
    onEnd: fail,
  })
}

async function startProxy(settings) {
  const program = findProgram('nginx')
  if (program === undefined) {
    say('reverse proxy: a small one on node:http, since nginx is not on this machine')
    return await startForwardingProxy(settings)
  }
  say(`reverse proxy: nginx (${program})`)
  return await startNginx({ ...settings, program, onEnd: fail })
}

function describe({ title, scheme, headers = {} }) {
  const lines = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => `${name}: ${value}`))
  return [`${title} (${scheme})`, ...lines]
}

function invite(sites) {
  console.log(`\nTry it, with any header you like, until Ctrl-C:\n`)
  for (const [side, { http, https = '' }] of Object.entries(sites))
    console.log(`  ${`${side} proxyFix`.padEnd(16)}  ${http}/  ${https && `${https}/`}`)
  const insecure = sites.with.https ? ' (https: curl -k, the certificate is its own)' : ''
  console.log(`\n  curl --interface ${CLIENT} -H 'X-Forwarded-For: 6.6.6.6' ${sites.with.http}/${insecure}\n`)
}

async function fail(sentence) {
  if (ending) return
  console.error(sentence)
  await end(1)
}

/** Stops and removes all that was started and made. */
async function end(code) {
  if (ending) return
  ending = true
  await stopPrograms()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  process.exit(code)
}
