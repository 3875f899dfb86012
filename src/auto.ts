/**
 * `node --import proxyfix/auto server.js`: fixes the requests of every HTTP server of a program that nobody can edit,
 * ESM or CommonJS, in cluster workers and worker threads as well, configured by `PROXYFIX_*` variables.
 *
 * However a program comes by a server (an early `createServer`, a subclass, a bundle), its events go through the `emit`
 * of a class of Node's, and the first one comes before the first request. There each server gets an `emit` of its
 * own, in front of whatever has been or will be patched into the classes (telemetry). What is put in front of even that
 * later hears of an HTTP/1 request after the diagnostics channel did: so most requests are fixed there already.
 */

import { subscribe } from 'node:diagnostics_channel'
import net from 'node:net'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import { proxyFix } from './middleware/proxy-fix.ts'
import { answerOnResponse, refused } from './middleware/answer.ts'
import { type FunctionHandler, wrapHandler } from './middleware/handler.ts'
import { fixOf } from './request/fixed.ts'
import { fixNodeRequest } from './request/node.ts'
import type { NodeRequest } from './request/node-request.ts'
import type { NodeResponse } from './request/node-response.ts'
import { warnOnce } from './request/warn-once.ts'
import { inVariables, optionsFrom } from './server/environment.ts'
import { node } from './server/node.ts'
import { ProxyFixError } from './trust/error.ts'
import type { ProxyFixOptions } from './trust/options.ts'
import { type TrustPolicy, trustPolicy } from './trust/policy.ts'

const NAME = 'proxyfix/auto'
const USAGE = 2
const TOLD_BY = 'PROXYFIX_TOLD_BY'

const wanted = policyOrExit()
if (wanted === undefined) {
  say(
    'no PROXYFIX_ variable says whom to believe, so nothing is fixed: set PROXYFIX_X_FOR=1 for one proxy, for example.',
  )
} else {
  for (const warning of wanted.warnings) say(`Warning: ${inVariables(warning)}`)
  fixEveryServer(wanted)
}
if (isMainThread) process.env[TOLD_BY] = String(process.pid) // for its workers

function policyOrExit(): TrustPolicy | undefined {
  try {
    // Threads of one process agree, also one that was given an environment of its own.
    const options = (getEnvironmentData(NAME) as ProxyFixOptions | undefined) ?? optionsFrom(process.env) // as set here
    if (options === undefined) return undefined
    const compiled = trustPolicy({
      ...options,
      onDecision: warnOnce({ log: (line) => process.stderr.write(`${line}\n`) }),
    })
    setEnvironmentData(NAME, { ...options })
    return compiled
  } catch (error) {
    if (!(error instanceof ProxyFixError)) throw error
    process.stderr.write(`${NAME}: ${inVariables(error.message)}\n`)
    process.exit(USAGE)
  }
}

function fixEveryServer(policy: TrustPolicy): void {
  const fixAndAdmit = proxyFix((_req: NodeRequest, _second: unknown) => true, policy)
  const admit = (req: NodeRequest, second: unknown): boolean => {
    const fix = fixOf(req)
    if (fix?.policy !== policy) return fixAndAdmit(req, second) === true
    // On the channel, or by another server that hands its requests on.
    const { refusal } = fix.decision
    if (refusal !== undefined) answerOnResponse(second as NodeResponse, refused(refusal), req.method === 'HEAD') // the channel tells of no upgrades
    return refusal === undefined
  }
  const around = (call: FunctionHandler, self: unknown, args: unknown[]): unknown =>
    admit(args[0] as NodeRequest, args[1]) && Reflect.apply(call, self, args)

  const wrapped = new WeakSet<object>()
  const wrapOnce = (server: net.Server): void => {
    if (wrapped.has(server)) return
    wrapped.add(server)
    wrapHandler(server, around, NAME)
  }
  // Those of HTTP/2 are not exported; they get to net.Server's. The others' own may be patched so that they do not.
  for (const { prototype } of [net.Server, node.http.Server, node.https.Server]) {
    atFirstEvent(prototype as Emitting, wrapOnce)
  }
  subscribe('http.server.request.start', (message) => {
    const { request, server } = message as { request: NodeRequest; server: net.Server } // as Node documents it
    wrapOnce(server) // one whose events take another way
    // Node has yet to look whether there is a Host, and must not find the one that a proxy forwarded.
    if (request.headers.host !== undefined && fixOf(request) === undefined) fixNodeRequest(request, policy)
  })
}

/** As much of a class of servers as is replaced; its own type has an overload for each event. */
interface Emitting {
  emit(this: net.Server, ...args: unknown[]): boolean
}

function atFirstEvent(prototype: Emitting, act: (server: net.Server) => void): void {
  const own = Object.hasOwn(prototype, 'emit') ? prototype.emit : undefined
  prototype.emit = function (...args) {
    act(this)
    // The parent's is looked up now: what is patched into it later (node:domain) has its turn as well.
    return Reflect.apply(own ?? (Object.getPrototypeOf(prototype) as Emitting).emit, this, args)
  }
}

/**
 * Told once for a program, not by each of its workers. A manager that starts workers and loads no preload itself (pm2)
 * has told nothing, though.
 */
function say(line: string): void {
  if (isMainThread && process.env[TOLD_BY] !== String(process.ppid)) process.stderr.write(`${NAME}: ${line}\n`)
}
