/**
 * How long does a client wait at a fixed rate? `node open-loop.mjs PORT RATE SECONDS CORE`: each request has a time at which
 * it is to be sent, whatever became of the ones before, and what it waits is counted from then on. So a server that stands
 * still is not asked less meanwhile, which would hide how long it did (coordinated omission).
 */

import { Agent, get } from 'node:http'
import { CONNECTIONS, FORWARDED } from './load.mjs'

const [port, rate, seconds] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
const options = { host: '127.0.0.1', port, path: '/path?q=1', headers: FORWARDED, agent }
const total = rate * seconds
const waited = []
let sent = 0
const start = performance.now()

/** Timers are a millisecond apart, so the loop never waits: this process has a core for itself. */
function sendWhatIsDue() {
  for (; sent < total && performance.now() >= dueAt(sent); sent++) send(dueAt(sent))
  if (sent < total) setImmediate(sendWhatIsDue)
}

function dueAt(index) {
  return start + (index * 1000) / rate
}

function send(due) {
  get(options, (response) => {
    response.resume()
    response.once('end', () => {
      waited.push(performance.now() - due)
      if (waited.length === total) finish()
    })
  }).once('error', (error) => {
    throw error
  })
}

function finish() {
  agent.destroy()
  process.send(waited)
}

sendWhatIsDue()
