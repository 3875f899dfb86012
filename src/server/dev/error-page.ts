/**
 * What does whoever develops see when the app fails? What was thrown and where, with the lines around, in place of the
 * 500 that says nothing. It shows; it runs nothing: no script is in it and none is allowed.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { ProxyFixError } from '../../trust/error.ts'
import { appStack, stackBeside, summaryOf } from '../app-stack.ts'
import { framesOf, type StackFrame } from './stack-frames.ts'
import { mayShowSources } from './viewer.ts'

/** Answers a request whose handler has failed, when nothing was sent yet; tells whether it has. */
type ErrorAnswer = (error: unknown, req: IncomingMessage, res: ServerResponse, target: string) => boolean

/**
 * Makes the page. It is for browsers at this machine; others are left to the plain answer.
 * @param options.root The program's folder: of files elsewhere nothing is shown. Default: the working directory.
 */
export function errorPage(options: { readonly root?: string } = {}): ErrorAnswer {
  const { root = process.cwd() } = options
  return (error, req, res, target) => {
    if (res.headersSent || !mayShowSources(req, target)) return false
    const isPage = /\btext\/html\b/i.test(req.headers.accept ?? '')
    const body = written(() => (isPage ? page(error, req, root) : `${textOf(error)}\n`))
    if (body === undefined) return false
    // What the app has set was for another answer: it might let other sites read this one.
    for (const name of res.getHeaderNames()) res.removeHeader(name)
    res.writeHead(500, {
      'content-type': `text/${isPage ? 'html' : 'plain'}; charset=utf-8`,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
    res.end(req.method === 'HEAD' ? undefined : body)
    return true
  }
}

/** An error whose own members throw is none to be shown, and must not end the process. */
function written(write: () => string): string | undefined {
  try {
    return write()
  } catch {
    return undefined
  }
}

/** A sentence of ours stands for itself; where it was made, nobody wants to know. */
function textOf(error: unknown): string {
  if (!(error instanceof ProxyFixError)) return appStack(error)
  const stack = stackBeside(error)
  return stack === undefined ? error.message : `${error.message}\n\n${stack}`
}

/** What was thrown, and what that was caused by. */
function chainOf(error: unknown): readonly unknown[] {
  const chain = [error]
  for (let one = error; one instanceof Error && one.cause !== undefined && chain.length < 8;) {
    one = one.cause
    if (chain.includes(one)) break
    chain.push(one)
  }
  return chain
}

function page(error: unknown, req: IncomingMessage, root: string): string {
  const title = asText`${summaryOf(error)}`
  const sections = chainOf(error).map((one, index) => sectionOf(one, index > 0, root))
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${STYLE}</style>
<body>
<p class="request">${asText`${req.method ?? ''} ${req.url ?? ''}`}</p>
${sections.join('\n')}
<details><summary>As text</summary><pre>${asText`${textOf(error)}`}</pre></details>
<footer>proxyfix serve --dev shows this to browsers at this machine. The program is loaded anew when a file changes.</footer>
</body>
</html>
`
}

function sectionOf(error: unknown, isCause: boolean, root: string): string {
  const isOurs = error instanceof ProxyFixError
  const name = isOurs ? 'proxyfix' : error instanceof Error ? error.name : 'Thrown'
  const message = error instanceof Error ? error.message : summaryOf(error)
  const frames = error instanceof Error && !isOurs ? framesOf(error, root) : []
  return `<section>
<h1>${isCause ? '<small>caused by</small> ' : ''}${asText`${name}`}</h1>
<p class="message">${asText`${message}`}</p>
${frames.map(frameOf).join('\n')}
</section>`
}

function frameOf({ file, line, caller, excerpt }: StackFrame, index: number): string {
  const where = asText`${file}:${line}${caller === undefined ? '' : ` in ${caller}`}`
  const lines = excerpt.lines.map((text, offset) => {
    const number = excerpt.first + offset
    const row = asText`${String(number).padStart(5)}  ${text}`
    return number === line ? `<mark>${row}</mark>` : row
  })
  return `<details${index === 0 ? ' open' : ''}><summary>${where}</summary><pre>${lines.join('\n')}</pre></details>`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text with every value in it as text. */
function asText(texts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return String.raw(
    { raw: texts },
    ...values.map((value) => String(value).replaceAll(/[&<>"']/g, (one) => ENTITIES[one]!)),
  )
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.2rem; margin: 2rem 0 0; color: #c22 }
small { color: gray; font-weight: normal }
.message { font-size: 1.3rem; margin: .2rem 0 1rem; white-space: pre-wrap; overflow-wrap: anywhere }
.request, footer { color: gray; overflow-wrap: anywhere }
summary { cursor: pointer; font-family: ui-monospace, monospace }
pre { overflow-x: auto; padding: .5rem; background: #8882; font: 14px/1.4 ui-monospace, monospace }
mark { display: inline-block; min-width: 100%; background: #f552; color: inherit }
footer { margin-top: 3rem; font-size: .85rem }
`
