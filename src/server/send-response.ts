/**
 * How is a Fetch Response sent by `node:http`? Its head goes with the first bytes of its body, or, when none have come by
 * the next turn of the event loop, before them: so a body that fails at once is still answered 500, and an event stream
 * that has nothing to say yet begins all the same. A body that is there at once, as a text is, goes with its length and in
 * one piece, for a tenth of the time less.
 */

import type { ServerResponse } from 'node:http'
import { sendNodeResponse } from 'srvx/node'
import { letGo, letGoOf } from '../request/streams.ts'
import { ProxyFixError } from '../trust/error.ts'
import { isGone, isHttp2 } from './last-answer.ts'
import { headerLines } from './headers-left-out.ts'
import { type BodySource, takeBody } from './late-body.ts'

/** Bytes up to which copying a body into the text of its head is cheaper than handing the system two pieces: by 3 us. */
const SMALL = 4096

/** Bytes up to which a text is put behind its head: V8 has no texts beyond half a gigabyte. */
const LARGE = 2 ** 20

const NOTHING = new Uint8Array()

type Reader = ReadableStreamDefaultReader<Uint8Array>
type Part = Awaited<ReturnType<Reader['read']>>

/**
 * Sends it, no faster than it is taken; at once, where nothing has to be waited for. A body that nobody takes any more is
 * cancelled.
 * @throws what its body failed with, whether the head was sent by then or not.
 */
export function sendResponse(outgoing: ServerResponse, response: Response): void | Promise<void> {
  // Node would send 200 in its place over HTTP/2.
  if (response.status === 0) {
    throw new ProxyFixError('ERR_PROXYFIX_APP', 'The Fetch handler gave back a network error, as Response.error() is.')
  }
  if ('_toNodeResponse' in response) return sendOfSrvx(outgoing, response)
  if (outgoing.writableEnded) return letGo(response.body, response.headers.get('content-type')) // the handler has answered by itself
  const source = isGone(outgoing) ? undefined : takeBody(response)
  if (source !== undefined) return sendSource(outgoing, response, source)
  const { body } = response
  if (body !== null && outgoing.req.method !== 'HEAD' && !isGone(outgoing)) return sendBody(outgoing, response, body)
  letGo(body, response.headers.get('content-type'))
  writeHead(outgoing, response)
  outgoing.end()
}

/** One that still knows what it was made of, as ours do. */
async function sendOfSrvx(outgoing: ServerResponse, response: Response): Promise<void> {
  await sendNodeResponse(outgoing, response)
  if (outgoing.errored) throw outgoing.errored
}

function sendSource(outgoing: ServerResponse, response: Response, source: BodySource): void {
  if (typeof source !== 'string') return sendWhole(outgoing, response, source, true)
  const length = Buffer.byteLength(source)
  const isText = length === source.length && length <= LARGE && !isHttp2(outgoing)
  if (!isText) return sendWhole(outgoing, response, Buffer.from(source), true)
  writeHead(outgoing, response, length, true)
  if (outgoing.req.method === 'HEAD') outgoing.end()
  else outgoing.end(source, 'latin1') // as it is ASCII: Node writes the head in the encoding of the text behind it
}

async function sendBody(
  outgoing: ServerResponse,
  response: Response,
  body: NonNullable<Response['body']>,
): Promise<void> {
  const reader = body.getReader() as Reader
  const first = reader.read()
  const second = first.then((part) => (part.done ? part : reader.read()))
  const isWhole = await endsAtOnce(second)
  const { value = NOTHING } = isWhole ? await first : {}
  if (isWhole && value instanceof Uint8Array) sendWhole(outgoing, response, value, false)
  else await sendParts(outgoing, response, reader, [first, second])
}

/** Whether a part is the end that comes without any waiting, as after a text. What fails instead is told when it is sent. */
async function endsAtOnce(part: Promise<Part>): Promise<boolean> {
  let isEnd = false
  part.then(({ done }) => (isEnd = done)).catch(() => undefined)
  await undefined // from the turn of a promise, a tick comes after all promises that wait for nothing else
  await new Promise<void>((resolve) => process.nextTick(resolve))
  return isEnd
}

function sendWhole(outgoing: ServerResponse, response: Response, body: Uint8Array, isMade: boolean): void {
  writeHead(outgoing, response, body.length, isMade)
  if (outgoing.req.method === 'HEAD') outgoing.end()
  else if (body.length > SMALL || isHttp2(outgoing)) outgoing.end(body)
  else outgoing.end(Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1'), 'latin1')
}

/** @param begun The parts that were asked for already. */
async function sendParts(
  outgoing: ServerResponse,
  response: Response,
  reader: Reader,
  begun: Promise<Part>[],
): Promise<void> {
  let hasLeft = false
  const leave = (): void => {
    hasLeft = true
    letGoOf(reader, response.headers.get('content-type'))
  }
  if (isGone(outgoing)) return leave()
  outgoing.once('close', leave)
  try {
    const isHere = await sooner(begun[0]!)
    writeHead(outgoing, response)
    if (!isHere) outgoing.flushHeaders()
    for (;;) {
      const part = await (begun.shift() ?? reader.read())
      if (part.done) break
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

/**
 * @param length Of the body, where it is known; the Response may tell it by itself.
 * @param isMade Whether the app has made the Response, and not `fetch`.
 */
function writeHead(outgoing: ServerResponse, response: Response, length?: number, isMade = false): void {
  if (outgoing.headersSent) return
  const { status, statusText } = response
  const lines = headerLines(response, isHttp2(outgoing), isMade)
  if (length !== undefined && !isFramed(lines) && !outgoing.hasHeader('transfer-encoding'))
    lines.push('content-length', String(length))
  if (isHttp2(outgoing)) outgoing.writeHead(status, lines)
  else outgoing.writeHead(status, statusText, outgoing.getHeaderNames().length === 0 ? lines : cookiesJoined(lines))
}

/** The lines, all cookies in one: beside headers that were set before, Node 20 sends the last line of each name alone. */
function cookiesJoined(lines: readonly string[]): (string | string[])[] {
  const cookies: string[] = []
  const others: (string | string[])[] = []
  for (let index = 0; index < lines.length; index += 2) {
    if (lines[index] === 'set-cookie') cookies.push(lines[index + 1]!)
    else others.push(lines[index]!, lines[index + 1]!)
  }
  return cookies.length === 0 ? others : [...others, 'set-cookie', cookies]
}

function isFramed(lines: readonly string[]): boolean {
  for (let index = 0; index < lines.length; index += 2) if (lines[index] === 'content-length') return true
  return false
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
