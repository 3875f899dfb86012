/**
 * How is a client answered in place of the app, and so that it can read it?
 *
 * Nothing that the app had set goes along: a length of its own would let the client take the rest of this answer for the
 * beginning of the next one. And a connection that is closed while its client still sends is reset by the system, which
 * throws away what the client has not read yet: so it is closed in halves, and what comes is dropped, for some time.
 */

import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import { node } from './node.ts'
import { unwrapSocket } from '../request/socket-view.ts'

/** How long a client that has its answer may be silent, in milliseconds. nginx and Apache have the like, and call it lingering. */
const LINGER_IDLE = 2000
/** How long it may go on sending without reading any of its answer, in milliseconds. */
const LINGER_TIME = 10_000
/** How much it may send meanwhile, in bytes. */
const LINGER_BYTES = 64 * 1024 * 1024

/** A status, with the rest of its sentence: nothing of the request is repeated in it. */
export interface Refusal {
  readonly status: number
  /** One clause, as in `it has two Host headers`. */
  readonly reason: string
  /** Whether the app's whole answer is sent, or about to be: there is no other one, and only the connection ends. */
  readonly isAnswered?: boolean
}

/**
 * Connections that end with the answer that is being sent, or have ended: nothing that was sent behind it is looked at, as
 * it is what somebody wanted to smuggle.
 */
const condemned = new WeakSet<Socket>()
let hasCondemned = false // most servers never have, and need not look

function condemn(socket: Socket): void {
  hasCondemned = true
  condemned.add(socket)
}

export function isCondemned(socket: Socket): boolean {
  return hasCondemned && condemned.has(unwrapSocket(socket))
}

/** Answers on a response on which nothing was sent. Never throws: this is what is left to do when something has. */
export function answerInstead(res: ServerResponse, status: number, text: string): void {
  try {
    forgetHead(res)
    const head = { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(text) }
    if (isHttp2(res)) res.writeHead(status, head)
    else res.writeHead(status, node.http.STATUS_CODES[status] ?? 'Error', head) // the app may have set words that cannot be sent
    res.end(text)
  } catch (error) {
    console.error(`The answer ${status} could not be sent:`, error) // whoever rewrites answers throws at this one
    cutShort(res)
  }
}

/** The same, and then the connection ends; of HTTP/2 the stream alone. */
export function answerLast(res: ServerResponse, status: number, text: string): void {
  if (!isHttp2(res)) {
    const socket = unwrapSocket(res.req.socket)
    condemn(socket)
    res.shouldKeepAlive = false
    socket.destroySoon = () => closeInHalves(socket) // what Node calls after an answer that is the last one
  }
  answerInstead(res, status, text)
  if (!isHttp2(res)) return
  const { stream } = res
  // Its client need not send the rest (RFC 9113 §8.1). A turn later, or it would overtake the end of the answer.
  stream.once('finish', () => setImmediate(() => stream.close()))
}

/** Answers in place of the app, which may go on as if nothing had happened: it would throw at a second head. */
export function answerForApp(res: ServerResponse, status: number, text: string): void {
  answerLast(res, status, text)
  const ignored = (): ServerResponse => res
  const unwritten = (...args: readonly unknown[]): boolean => {
    const done = args.findLast((arg) => typeof arg === 'function')
    if (done !== undefined) process.nextTick(done as () => void)
    return true
  }
  Object.assign(res, {
    writeHead: ignored,
    setHeader: ignored,
    appendHeader: ignored,
    setHeaders: ignored,
    removeHeader: ignored,
    flushHeaders: ignored,
    writeContinue: ignored,
    write: unwritten,
    end: ignored,
  })
}

/** Whether nobody takes the answer any more. */
export function isGone(res: ServerResponse): boolean {
  return isHttp2(res) ? res.stream.destroyed : res.destroyed
}

/** Whether the app has answered whole, and nothing stands in the way of its answer any more. */
export function isAnswered(res: ServerResponse): boolean {
  if (isHttp2(res)) return res.stream.writableFinished
  return res.writableFinished || (res.writableEnded && res.socket !== null) // without, earlier ones are owed
}

/** Ends the connection after the answer that the app has given; of HTTP/2 the stream alone. */
export function endAfterAnswer(res: ServerResponse): void {
  if (isHttp2(res)) return res.stream.close()
  const socket = unwrapSocket(res.req.socket)
  condemn(socket)
  socket.destroySoon = () => closeInHalves(socket)
  // Not when it has gone out, for which a client that does not read it need not let it. Node is still reading what has come.
  setImmediate(() => socket.destroySoon())
}

/** Takes back every header that was set and not sent. */
export function forgetHead(res: ServerResponse): void {
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  res.sendDate = true // removing it switches it off
}

/** Lets an answer that has begun end so that nobody takes it for a whole one. */
export function cutShort(res: ServerResponse): void {
  if (isHttp2(res))
    res.stream.close(node.http2.constants.NGHTTP2_INTERNAL_ERROR) // `destroy` would end it as if it were whole
  else {
    condemn(unwrapSocket(res.req.socket))
    res.destroy()
  }
}

export function isHttp2(message: object): message is Http2ServerResponse {
  return 'stream' in message
}

/** Answers on the connection itself, and ends it: what could not be read, or what asked for another protocol. */
export function answerOnSocket(socket: Socket, { status, reason, isAnswered: hasAnswer }: Refusal): void {
  condemn(unwrapSocket(socket))
  abandon(socket)
  if (hasAnswer === true) return closeInHalves(socket)
  const text = refusalText(reason)
  const lines = [
    `HTTP/1.1 ${status} ${node.http.STATUS_CODES[status] ?? 'Error'}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n${text}`)
  closeInHalves(socket)
}

/**
 * Lets a connection that Node has let go of, as it does for upgrades, fail without a word: a client that resets it must
 * not end the process.
 */
export function abandon(socket: Socket): void {
  socket.on('error', () => socket.destroy())
}

export function refusalText(reason: string): string {
  return `The request was refused: ${reason}.\n`
}

/** Ends our half of a connection, and drops what comes until the client ends the other half, or has had its time. */
function closeInHalves(socket: Socket): void {
  socket.destroySoon = () => undefined // it is under way
  socket.end()
  if (socket.readableEnded) return endLingering(socket) // of TLS, nothing else bounds one whose client is gone
  let left = LINGER_BYTES
  const drop = (chunk: Buffer): void => {
    left -= chunk.length
    if (left < 0) socket.destroy()
  }
  socket.on('data', drop) // Node's parser gives the reading back for that
  for (const listener of socket.listeners('data')) {
    if (listener !== drop) socket.off('data', listener as (chunk: Buffer) => void)
  }
  socket.resume()
  endLingering(socket)
}

/**
 * Gives the client time to end the other half of a connection of which ours has ended, or ends with the answer that it
 * still reads: as long as it does, its time begins anew. What it sends gains it none.
 */
export function endLingering(socket: Socket): void {
  const endIdle = (): void => void socket.setTimeout(LINGER_IDLE, () => socket.destroy())
  if (socket.writableFinished) endIdle()
  else socket.once('finish', endIdle)
  let before = unsentBytes(socket)
  const timer = setInterval(() => {
    const now = unsentBytes(socket)
    if (now === before) socket.destroy()
    before = now
  }, LINGER_TIME)
  socket.once('close', () => clearInterval(timer))
}

/** With what Node knows of its connections, and its types do not. */
type QueuedSocket = Socket & {
  readonly _handle?: { readonly writeQueueSize?: number } | null
  /** The socket below one that speaks TLS. */
  readonly _parent?: QueuedSocket | null
}

/** What the system has not taken yet, of large pieces too, which are one write for Node's streams until all of it is gone. */
function unsentBytes(socket: QueuedSocket): number {
  const { writableLength, _handle: handle, _parent: below } = socket
  return writableLength + (handle?.writeQueueSize ?? 0) + (below ? unsentBytes(below) : 0)
}
