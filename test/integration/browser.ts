/**
 * A browser, as far as a site can tell: it asks for URLs of one host, wherever that is served, follows redirects until
 * they are too many, says with a form where the form was, and keeps cookies: `Secure` ones over TLS and nowhere else.
 */

import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import type { Served } from './nginx.ts'
import type { HeaderLine } from './wire.ts'

/** As many as browsers follow. */
const MOST_REDIRECTS = 20

export interface Visitor {
  readonly host: string
  readonly site: Served
  /** What the site has to show over TLS, PEM. */
  readonly certificate: string
  /** The address to connect from. */
  readonly from: string
  /** What a liar adds to every request, by its scheme. */
  readonly lies?: Readonly<Record<Scheme, readonly HeaderLine[]>> | undefined
}

type Scheme = 'http' | 'https'

/** Of one who wants to be taken for another client, by another scheme, at another host. */
export const LIES: Readonly<Record<Scheme, readonly HeaderLine[]>> = { http: liesOf('https'), https: liesOf('http') }

function liesOf(scheme: Scheme): HeaderLine[] {
  return [
    ['X-Forwarded-For', '6.6.6.6'],
    ['X-Forwarded-Proto', scheme],
    ['X-Forwarded-Host', 'evil.example'],
    ['X-Forwarded-Port', '6666'],
    ['X-Forwarded-Prefix', '/evil'],
    ['Forwarded', `for=6.6.6.6;proto=${scheme};host=evil.example`],
  ]
}

export interface Page {
  readonly url: string
  readonly status: number
  /** Where an answer points to that was not followed. */
  readonly location: string | undefined
  /** Lines of Set-Cookie, kept or not. */
  readonly setCookie: readonly string[]
  readonly body: string
}

export interface Form {
  readonly fields: FormData | URLSearchParams | string
  /** Where the form is, if not on this site, as in `https://evil.example`. */
  readonly origin?: string | undefined
  /** What a script wants instead of a page. */
  readonly accept?: string
  readonly headers?: readonly HeaderLine[]
}

export interface Browser {
  /** Asks once. */
  get(url: string): Promise<Page>
  /** Asks until there is a page. @throws Error when there is none after as many redirects as a browser follows. */
  open(url: string): Promise<Page>
  /** Sends a form, and follows what the answer points to. */
  submit(url: string, form: Form): Promise<Page>
}

export function browser({ host, site, certificate, from, lies }: Visitor): Browser {
  const cookies = new Map<string, { readonly value: string; readonly secure: boolean }>()

  async function send(url: string, form?: Form): Promise<Page> {
    const { protocol, host: asked, origin, pathname, search } = new URL(url)
    if (asked !== host) throw new Error(`It was sent to another host: ${url}`)
    const isSecure = protocol === 'https:'
    const sent = [...cookies].filter(([, { secure }]) => isSecure || !secure)
    const content = form && new Response(form.fields) // says how it is encoded
    const body = content && Buffer.from(await content.arrayBuffer())
    const { hostname, port } = new URL(isSecure ? site.https : site.http)
    const req = (isSecure ? httpsRequest : httpRequest)({
      agent: false,
      host: hostname,
      port,
      localAddress: from,
      ...(isSecure && { ca: certificate, servername: host }),
      method: form === undefined ? 'GET' : 'POST',
      path: pathname + search,
      headers: [
        ['Host', host],
        ['Accept', form?.accept ?? 'text/html'],
        ...(sent.length > 0 ? [['Cookie', sent.map(([name, { value }]) => `${name}=${value}`).join('; ')]] : []),
        ...(content && body
          ? [
              ['Origin', form?.origin ?? origin],
              ['Content-Type', content.headers.get('content-type') ?? ''],
              ['Content-Length', String(body.length)],
            ]
          : []),
        ...(form?.headers ?? []),
        ...(lies?.[isSecure ? 'https' : 'http'] ?? []),
      ].flat(),
    })
    req.end(body)
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    const { statusCode: status = 0, headers } = res
    const { location, 'set-cookie': setCookie = [] } = headers
    for (const line of setCookie) keep(line, isSecure)
    return { url, status, location, setCookie, body: await text(res) }
  }

  function keep(line: string, isSecure: boolean): void {
    const [, name = '', value = '', attributes = ''] = /^([^=]+)=([^;]*)(.*)$/.exec(line) ?? []
    const secure = /; *secure/i.test(attributes)
    if (isSecure || !secure) cookies.set(name, { value, secure })
  }

  async function follow(first: Page): Promise<Page> {
    let page = first
    for (let redirects = 0; page.location !== undefined; redirects++) {
      if (redirects === MOST_REDIRECTS) throw new Error(`Too many redirects: ${page.url}`)
      page = await send(new URL(page.location, page.url).href)
    }
    return page
  }

  return {
    get: async (url) => await send(url),
    open: async (url) => await follow(await send(url)),
    submit: async (url, form) => await follow(await send(url, form)),
  }
}
