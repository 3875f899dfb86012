/** What Fetch apps have in common: the URL is in the request, the client is where the platform passes it. */

import { setImmediate as turn } from 'node:timers/promises'
import { LIAR, PEER, type Framework, type Report } from '../framework-suite.ts'
import { leftmost } from './gullible.ts'

/** Reports a Fetch request. @param isGullible Whether X-Forwarded-* are believed, from the left. */
export async function reportRequest(request: Request, ip: string | undefined, isGullible: boolean): Promise<Report> {
  await turn()
  const { headers } = request
  const url = new URL(request.url)
  let address = ip
  if (isGullible) {
    address = leftmost(headers.get('x-forwarded-for'), ip ?? '')
    url.host = leftmost(headers.get('x-forwarded-host'), url.host)
    url.protocol = leftmost(headers.get('x-forwarded-proto'), url.protocol)
  }
  return {
    ip: address,
    protocol: url.protocol.slice(0, -1),
    secure: url.protocol === 'https:',
    host: url.host,
    hostname: url.hostname,
    url: url.pathname + url.search,
    href: url.href,
  }
}

/** Answers with the report, and a cookie. */
export async function answerRequest(request: Request, ip: string | undefined, isGullible: boolean): Promise<Response> {
  const report = await reportRequest(request, ip, isGullible)
  return Response.json(report, { headers: { 'Set-Cookie': report.secure ? 'cart=7; Secure' : 'cart=7' } })
}

/** The settings of a framework that has none. */
export function gullibleOrNot<App>(app: (isGullible: boolean) => App): Framework<App>['settings'] {
  return [
    { name: 'the URL and the platform’s client read', app: () => app(false), withoutProxyFix: PEER },
    { name: 'X-Forwarded-* read by itself, from the left', app: () => app(true), withoutProxyFix: LIAR },
  ]
}
