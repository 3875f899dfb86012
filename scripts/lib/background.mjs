/** How does a program run beside the script until it is stopped? By its own process id, never by a name. */

import { spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { root } from './project.mjs'

/** One function for each program that was started, ready or not. */
const stops = []

/** Stops every program that was started. */
export async function stopPrograms() {
  await Promise.all(stops.map((stop) => stop()))
}

/**
 * Starts a program and waits until it is ready.
 *
 * @param isReady Is asked again and again with all that the program has printed; something true is the answer.
 * @param onEnd Is told in one sentence when the program ends later although nobody stopped it.
 * @returns That answer.
 * @throws Error with one sentence when the program ends before, or is not ready in time.
 */
export async function startProgram(name, command, args, { isReady, onEnd, seconds = 20 }) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  let state = 'starting'
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (printed += bytes))
  child.once('error', (error) => (printed += error.message))
  const ended = new Promise((resolve) => {
    child.once('close', () => {
      if (state === 'ready') onEnd(`${name} ended by itself: ${printed.trim()}`)
      state = 'ended'
      resolve()
    })
  })

  stops.push(async () => {
    if (state === 'ended') return
    state = 'stopping'
    child.kill('SIGTERM')
    const patience = setTimeout(() => child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(patience)
  })

  const deadline = Date.now() + seconds * 1000
  while (state === 'starting' && Date.now() < deadline) {
    const ready = await isReady(printed)
    if (ready && state === 'starting') {
      state = 'ready'
      return ready
    }
    await pause(20)
  }
  const problem = state === 'ended' ? printed.trim() : `it was not ready after ${seconds} seconds`
  throw new Error(`${name} did not start: ${problem || 'it said nothing'}`)
}
