/**
 * Who asked for what, and what did they get? A line for each request, once it is answered or its connection is gone.
 *
 * The client in it is the one that was decided (`proxyFix`), never one that a header names by itself. What a client
 * sent (target, headers, user) stands in it escaped: it can neither end a line nor a field in quotes, nor reach the
 * terminal that the log is read on.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Duplex } from 'node:stream'
import { unwrapSocket } from '../request/socket-view.ts'
import { LineOutput } from './access-log-output.ts'
import { formatter } from './access-log-format.ts'
import { Exchange } from './access-log-exchange.ts'
import { countBody } from './count-body.ts'
import { isHttp2 } from './last-answer.ts'

/** Where to write, and what. */
export interface AccessLogOptions {
  /** A file, or `-` for standard output. @default '-' */
  readonly to?: string | undefined
  /** `common`, `combined`, `json`, `dev`, or fields as gunicorn writes them, as in `%(h)s "%(r)s" %(s)s`. @default 'combined' */
  readonly format?: string | undefined
  /** Whether `dev` may use colours. @default false */
  readonly color?: boolean | undefined
  /** Where a relative path begins. @default the working directory */
  readonly cwd?: string | undefined
}

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

/** A log that is open. */
export interface AccessLog {
  /** Call it first of all that hear `request`: from then on time is taken and bytes are counted. */
  onRequest(req: Request, res: Response): void
  /** Call it first of all that hear `upgrade` or `connect`. The line is written when the connection ends. */
  onUpgrade(req: IncomingMessage, socket: Duplex): void
  /** A request that could not be read, and was answered with this status. */
  onRefused(socket: Duplex, status: number): void
  /** Opens the file anew, as its name now belongs to another (logrotate). Lines that are under way go to the old one. */
  reopen(): void
  /** Writes what is waiting, before it returns. */
  flush(): void
  /** Writes what is waiting and closes the file. */
  close(): void
}

/**
 * Opens a log.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for a format that cannot be, or a file that cannot be opened.
 */
export function openAccessLog(options: AccessLogOptions = {}): AccessLog {
  const { to = '-', format = 'combined', color = false, cwd = process.cwd() } = options
  const lineOf = formatter(format, color)
  const output = new LineOutput(to, cwd)
  const write = (exchange: Exchange): void => output.write(`${lineOf(exchange)}\n`)
  const onConnectionEnd = connectionEnds()
  // One listener for all responses, which finds what it is about on them, as those of countBody do.
  const exchangeOf = Symbol('exchange')
  type Logged = Response & { [exchangeOf]?: Exchange }
  const end = (res: Logged): void => {
    const exchange = res[exchangeOf]!
    if (exchange.isOver) return
    exchange.end(countBody(res))
    write(exchange)
  }
  function onClose(this: Logged): void {
    end(this)
  }

  return {
    onRequest(req, res) {
      const logged = res as Logged
      logged[exchangeOf] = new Exchange(req, res)
      countBody(res)
      res.on('close', onClose)
      // An answer that waits for the one before it has no socket, and Node 20 does not close it with its connection.
      if (res.socket === null && !isHttp2(res)) {
        const forget = onConnectionEnd(unwrapSocket(req.socket), () => end(logged))
        res.on('close', forget)
      }
    },

    onUpgrade(req, socket) {
      const exchange = new Exchange(req)
      const before = bytesWritten(socket)
      watchStatus(socket, (status) => {
        exchange.status = status
        exchange.isComplete = true
      })
      socket.once('close', () => {
        exchange.end({ bytes: bytesWritten(socket) - before, isWhole: exchange.isComplete })
        write(exchange)
      })
    },

    onRefused(socket, status) {
      const exchange = new Exchange({ socket })
      exchange.status = status
      exchange.end({ bytes: 0, isWhole: true })
      write(exchange)
    },

    reopen: () => output.reopen(),
    flush: () => output.flush(),
    close: () => output.close(),
  }
}

/**
 * Says whether a format can be, without opening anything.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when it cannot.
 */
export function checkAccessLogFormat(format: string): void {
  formatter(format, false)
}

/** Calls back at the end of a connection, by one listener for all requests on it. */
function connectionEnds(): (socket: Duplex, callback: () => void) => () => void {
  const waiting = new WeakMap<Duplex, Set<() => void>>()
  return (socket, callback) => {
    let callbacks = waiting.get(socket)
    if (callbacks === undefined) {
      const all = new Set<() => void>()
      callbacks = all
      waiting.set(socket, all)
      socket.once('close', () => {
        // After the responses that hear of it by themselves: they tell whether they were finished.
        process.nextTick(() => {
          for (const one of all) one()
        })
      })
    }
    callbacks.add(callback)
    return () => callbacks.delete(callback)
  }
}

/** What a connection has written so far. */
function bytesWritten(socket: Duplex): number {
  return (socket as { bytesWritten?: number }).bytesWritten ?? 0
}

/** Reads the status off the first bytes that are written to a connection. */
function watchStatus(socket: Duplex, onStatus: (status: number) => void): void {
  type Write = (...args: unknown[]) => unknown
  const watched = socket as unknown as Record<'write' | 'end', Write> // in the widest of their signatures
  let isRead = false
  for (const name of ['write', 'end'] as const) {
    const original = watched[name]
    watched[name] = function (...args) {
      const head = isRead ? '' : beginning(args[0])
      if (head !== '') {
        isRead = true
        const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(head) ?? []
        if (status !== undefined) onStatus(Number(status))
      }
      return Reflect.apply(original, this, args)
    }
  }
}

function beginning(chunk: unknown): string {
  if (typeof chunk === 'string') return chunk.slice(0, 'HTTP/1.1 101'.length)
  return chunk instanceof Uint8Array ? String.fromCharCode(...chunk.subarray(0, 'HTTP/1.1 101'.length)) : ''
}
