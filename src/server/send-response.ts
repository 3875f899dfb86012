/**
 * How is a Fetch Response sent by `node:http`? Its head goes with the first bytes of its body, or, when none have come by
 * the next turn of the event loop, before them: so a body that fails at once is still answered 500, and an event stream
 * that has nothing to say yet begins all the same.
 */

import type { ServerResponse } from 'node:http'
import { sendNodeResponse } from 'srvx/node'
import { letGo } from '../request/streams.ts'
import { isGone, isHttp2 } from './last-answer.ts'
import { headersLeftOut } from './headers-left-out.ts'

/**
 * Sends it, no faster than it is taken. A body that nobody takes any more is cancelled.
 * @throws what its body failed with, whether the head was sent by then or not.
 */
export async function sendResponse(outgoing: ServerResponse, response: Response): Promise<void> {
  // Node would send 200 in its place over HTTP/2.
  if (response.status === 0) throw new TypeError('The Fetch handler gave back a network error, as Response.error() is.')
  if ('_toNodeResponse' in response) {
    await sendNodeResponse(outgoing, response) // of srvx, which still knows what it was made of
    if (outgoing.errored) throw outgoing.errored
    return
  }
  const { body } = response
  if (body === null || outgoing.req.method === 'HEAD' || isGone(outgoing)) {
    letGo(body)
    writeHead(outgoing, response)
    outgoing.end()
    return
  }
  const reader = body.getReader() as ReadableStreamDefaultReader<Uint8Array>
  let hasLeft = false
  const leave = (): void => {
    hasLeft = true
    reader.cancel().catch(() => undefined)
  }
  outgoing.once('close', leave)
  try {
    const first = reader.read()
    const isHere = await sooner(first)
    writeHead(outgoing, response)
    if (!isHere) outgoing.flushHeaders()
    for (let part = await first; !part.done; part = await reader.read()) {
      if (!outgoing.write(part.value)) await roomIn(outgoing)
      if (hasLeft) return
    }
    outgoing.end()
  } catch (error) {
    leave()
    throw error
  } finally {
    outgoing.off('close', leave)
  }
}

/** Whether a promise is resolved before the event loop has turned; rejects as the promise does. */
async function sooner(promise: Promise<unknown>): Promise<boolean> {
  let turn: NodeJS.Immediate | undefined
  const turned = new Promise<false>((resolve) => {
    turn = setImmediate(resolve, false)
  })
  try {
    return (await Promise.race([promise, turned])) !== false
  } finally {
    clearImmediate(turn)
  }
}

function writeHead(outgoing: ServerResponse, response: Response): void {
  if (outgoing.headersSent) return
  const { status, statusText, headers } = response
  const leftOut = headersLeftOut(response, isHttp2(outgoing))
  const lines: string[] = []
  for (const [name, value] of headers) if (!leftOut.has(name)) lines.push(name, value)
  if (isHttp2(outgoing)) outgoing.writeHead(status, lines)
  else outgoing.writeHead(status, statusText, lines)
}

async function roomIn(outgoing: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done)
      outgoing.off('close', done)
      resolve()
    }
    outgoing.once('drain', done)
    outgoing.once('close', done)
  })
}
