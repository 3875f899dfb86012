/**
 * What a proxy does that keeps one connection to the app for many clients: it sends their requests on it, none waiting
 * for the answer to another. Over HTTP/1.1 and HTTP/2, with and without TLS.
 */

import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { HeaderLine } from '../wire.ts'
import type { RunningApp } from './running.ts'

export interface Sent {
  readonly target: string
  readonly host: string
  readonly headers: readonly HeaderLine[]
}

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: readonly HeaderLine[]
  readonly body: string
}

/** Sends requests over one connection and gives the answers in order. */
export async function send(to: RunningApp, requests: readonly Sent[]): Promise<readonly Answer[]> {
  return await (to.http2 === true ? overHttp2(to, requests) : overHttp1(to, requests))
}

async function overHttp1({ url, certificate }: RunningApp, requests: readonly Sent[]): Promise<readonly Answer[]> {
  const { hostname: host, port: portText } = new URL(url)
  const port = Number(portText)
  const socket =
    certificate === undefined
      ? connectTcp({ host, port })
      : connectTls({ host, port, ca: certificate, servername: 'internal.example' })
  const texts = requests.map(({ target, host: name, headers }, index) => {
    const connection: HeaderLine[] = index === requests.length - 1 ? [['Connection', 'close']] : []
    const lines = [['Host', name], ...headers, ...connection].map((line) => line.join(': '))
    return `GET ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
  })
  socket.write(texts.join(''), 'latin1')
  const chunks: Buffer[] = []
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk)
  return parseAnswers(Buffer.concat(chunks).toString('latin1'))
}

function parseAnswers(text: string): Answer[] {
  const answers: Answer[] = []
  for (let rest = text; rest !== '';) {
    const headEnd = rest.indexOf('\r\n\r\n')
    const [statusLine = '', ...lines] = rest.slice(0, headEnd).split('\r\n')
    const headers = lines.map((line): HeaderLine => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
    const { body, length } = readBody(rest.slice(headEnd + 4), new Map(headers))
    answers.push({ status: Number(statusLine.split(' ')[1]), headers, body })
    rest = rest.slice(headEnd + 4 + length)
  }
  return answers
}

/** A body at the start of a text, and how much of the text it takes. */
function readBody(text: string, headers: ReadonlyMap<string, string>): { body: string; length: number } {
  if (headers.get('transfer-encoding') !== 'chunked') {
    const length = Number(headers.get('content-length') ?? text.length)
    return { body: text.slice(0, length), length }
  }
  let body = ''
  for (let at = 0; ;) {
    const lineEnd = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (lineEnd === -1 || Number.isNaN(size)) throw new Error(`No chunk at ${at} of ${JSON.stringify(text)}`)
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
    if (size === 0) return { body, length: at }
  }
}

async function overHttp2({ url, certificate }: RunningApp, requests: readonly Sent[]): Promise<readonly Answer[]> {
  const session = connectHttp2(
    url,
    certificate === undefined ? {} : { ca: certificate, servername: 'internal.example' },
  )
  try {
    return await Promise.all(
      requests.map(async ({ target, host, headers }) => {
        const lines: Record<string, string[]> = {}
        for (const [name, value] of headers) (lines[name.toLowerCase()] ??= []).push(value)
        // A path that names a host is no HTTP/2; there, who lies about the host does it in a field of its own.
        const [, named, path = target] = /^http:\/\/([^/]*)(.*)$/.exec(target) ?? []
        if (named !== undefined) lines.host = [named]
        const stream = session.request({ ':path': path, ':authority': host, ...lines })
        const [received] = (await once(stream, 'response')) as [Record<string, string | string[]>]
        const chunks: Buffer[] = []
        for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
        return {
          status: Number(received[':status']),
          headers: Object.entries(received).flatMap(([name, values]) =>
            [values].flat().map((value): HeaderLine => [name, value]),
          ),
          body: Buffer.concat(chunks).toString(),
        }
      }),
    )
  } finally {
    session.close()
  }
}
