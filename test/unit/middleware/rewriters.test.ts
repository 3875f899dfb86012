/** The ready-made rewriters: what they are for, on both kinds of handler, and those who would make something else of them. */

import { describe, expect, it } from 'vitest'
import {
  allowHosts,
  HeaderRewriter,
  proxyFix,
  ProxyFixError,
  type ProxyFixOptions,
  realIp,
  requestId,
  type RequestIdOptions,
  type RewritableRequest,
  securityRedirect,
  type SecurityRedirectOptions,
  serverTiming,
  stack,
} from '../../../src/index.ts'
import { type AppAnswer, ask, HOST, KINDS, type Outcome, PEER, type Question } from './both-kinds.ts'

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

/** A proxy of ours, and one that is not. */
const OURS: ProxyFixOptions = { xFor: 1, xProto: 1, xHost: 1, trustedProxies: 'loopback' }
const NOT_OURS: ProxyFixOptions = { xFor: 1, xProto: 1, xHost: 1, trustedProxies: '10.0.0.0/8' }

function headersOf({ headers }: Outcome): Record<string, string> {
  return Object.fromEntries(headers)
}

describe.each(KINDS)('requestId() on %s', (kind) => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
  const given = (
    headers: Record<string, string>,
    options: ProxyFixOptions | undefined,
    own: RequestIdOptions = {},
  ): Promise<Outcome> =>
    ask(kind, (handler) => stack(handler, ...(options === undefined ? [] : [proxyFix(options)]), requestId(own)), {
      headers,
    })

  interface Case {
    readonly what: string
    readonly headers: Record<string, string>
    readonly options: ProxyFixOptions | undefined
    /** What the app and the client are shown; `new` for one that was made. */
    readonly id: string
  }

  const CASES: readonly Case[] = [
    { what: 'the id of a trusted peer', headers: { 'x-request-id': 'abc-123' }, options: OURS, id: 'abc-123' },
    { what: 'the longest id', headers: { 'x-request-id': 'a'.repeat(128) }, options: OURS, id: 'a'.repeat(128) },
    {
      what: 'an id of all characters',
      headers: { 'x-request-id': 'Root=1-67891233:abc/+_.~@' },
      options: OURS,
      id: 'Root=1-67891233:abc/+_.~@',
    },
    { what: 'no id at all', headers: {}, options: OURS, id: 'new' },
    { what: 'the id of another peer', headers: { 'x-request-id': 'evil' }, options: NOT_OURS, id: 'new' },
    {
      what: 'the id of whoever connects, without proxyFix',
      headers: { 'x-request-id': 'evil' },
      options: undefined,
      id: 'new',
    },
    { what: 'one that is too long', headers: { 'x-request-id': 'a'.repeat(129) }, options: OURS, id: 'new' },
    { what: 'an empty one', headers: { 'x-request-id': '' }, options: OURS, id: 'new' },
    { what: 'one with blanks', headers: { 'x-request-id': 'a b' }, options: OURS, id: 'new' },
    { what: 'two of them', headers: { 'x-request-id': 'a, b' }, options: OURS, id: 'new' },
    { what: 'one that breaks a query', headers: { 'x-request-id': `'"<script>;--` }, options: OURS, id: 'new' },
    { what: 'one that is not ASCII', headers: { 'x-request-id': 'caf\u00e9' }, options: OURS, id: 'new' },
    {
      what: 'a trace of a trusted peer',
      headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
      options: OURS,
      id: TRACE,
    },
    {
      what: 'a trace of a later version',
      headers: { traceparent: `01-${TRACE}-00f067aa0ba902b7-01-what-is-new` },
      options: OURS,
      id: TRACE,
    },
    {
      what: 'an id and a trace',
      headers: { 'x-request-id': 'abc', traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
      options: OURS,
      id: 'abc',
    },
    {
      what: 'a bad id and a trace',
      headers: { 'x-request-id': 'a b', traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
      options: OURS,
      id: TRACE,
    },
    {
      what: 'a trace of another peer',
      headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
      options: NOT_OURS,
      id: 'new',
    },
    {
      what: 'a trace of zeros',
      headers: { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
      options: OURS,
      id: 'new',
    },
    {
      what: 'a parent of zeros',
      headers: { traceparent: `00-${TRACE}-${'0'.repeat(16)}-01` },
      options: OURS,
      id: 'new',
    },
    {
      what: 'the version ff, which is none',
      headers: { traceparent: `ff-${TRACE}-00f067aa0ba902b7-01` },
      options: OURS,
      id: 'new',
    },
    {
      what: 'more behind a trace of version 00',
      headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01-more` },
      options: OURS,
      id: 'new',
    },
    {
      what: 'a trace in capitals',
      headers: { traceparent: `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01` },
      options: OURS,
      id: 'new',
    },
    {
      what: 'a trace that is too short',
      headers: { traceparent: `00-${TRACE.slice(1)}-00f067aa0ba902b7-01` },
      options: OURS,
      id: 'new',
    },
    {
      what: 'two traces',
      headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01, 00-${TRACE}-00f067aa0ba902b7-01` },
      options: OURS,
      id: 'new',
    },
  ]

  it.each(CASES)('makes of $what: $id', async ({ headers, options, id }) => {
    const outcome = await given(headers, options)
    expect(outcome.error).toBeUndefined()
    const [shown, answered] = [outcome.seen[0]?.headers['x-request-id'], headersOf(outcome)['x-request-id']]
    if (id === 'new') expect(shown).toMatch(UUID)
    else expect(shown).toBe(id)
    expect(answered).toBe(shown)
  })

  it('makes another id for each request', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => headersOf(await given({}, OURS))['x-request-id']))
    expect(new Set(ids).size).toBe(3)
  })

  it('uses the header and the maker that it is given', async () => {
    const outcome = await given({ 'x-request-id': 'theirs' }, OURS, {
      header: 'X-Correlation-ID',
      generate: () => 'mine',
    })
    expect(outcome.seen[0]?.headers).toMatchObject({ 'x-correlation-id': 'mine', 'x-request-id': 'theirs' })
    expect(headersOf(outcome)).toMatchObject({ 'x-correlation-id': 'mine' })
  })

  it('puts its id in the place of one that the app answers with', async () => {
    const outcome = await ask(
      kind,
      requestId({ generate: () => 'mine' }).wrap.bind(requestId({ generate: () => 'mine' })),
      {},
      { headers: [['x-request-id', 'theirs']] },
    )
    expect(headersOf(outcome)['x-request-id']).toBe('mine')
  })

  it('keeps the id for the response when somebody behind takes the header away', async () => {
    const removing = HeaderRewriter.from({ request: { remove: ['X-Request-ID'] } })
    const outcome = await ask(kind, (handler) => stack(handler, proxyFix(OURS), requestId(), removing), {
      headers: { 'x-request-id': 'abc' },
    })
    expect(outcome.error).toBeUndefined()
    expect([outcome.seen[0]?.headers['x-request-id'], headersOf(outcome)['x-request-id']]).toStrictEqual([
      undefined,
      'abc',
    ])
  })

  it('fails rather than pass on what its maker makes that is no id, and takes a number for one', async () => {
    const bad = ['a\r\nset-cookie: evil=1', '', 'a b', 'a'.repeat(129), undefined as unknown as string]
    for (const id of bad) {
      const outcome = await given({}, OURS, { generate: () => id })
      expect(outcome).toMatchObject({ seen: [], error: { code: 'ERR_PROXYFIX_REWRITE' } })
      expect(JSON.stringify(outcome.headers)).not.toContain('evil')
      expect((outcome.error as Error).message).toMatch(/^The function generate of requestId gave [^\n]*\.$/)
    }
    expect((await given({}, OURS, { generate: () => 7 })).seen[0]?.headers).toMatchObject({ 'x-request-id': '7' })
  })

  it.each([
    { options: { header: 'a b' }, says: "The option header of requestId must be the name of a header, not 'a b'." },
    { options: { header: '' }, says: 'The option header of requestId' },
    { options: { header: 7 }, says: 'The option header of requestId' },
    { options: { generate: 'uuid' }, says: "The option generate of requestId must be a function, not 'uuid'." },
    { options: { headers: 'X-ID' }, says: 'requestId has no option headers: did you mean header?' },
    { options: { nonsense: 1 }, says: 'requestId has no option nonsense: it has header, generate.' },
    {
      options: 'X-ID',
      says: "The options of requestId must be an object like { header: 'X-Request-ID' }, not 'X-ID'.",
    },
    { options: () => undefined, says: 'The options of requestId must be an object, not a function: call it' },
    { options: null, says: 'The options of requestId must be an object like' },
  ])('checks its options: $says', ({ options, says }) => {
    expect(optionError(() => requestId(options as never))).toContain(says)
  })
})

describe.each(KINDS)('securityRedirect() on %s', (kind) => {
  const asked = (
    question: Question,
    own: SecurityRedirectOptions = {},
    fix: ProxyFixOptions | undefined = { ...OURS, xPrefix: 1 },
    answer: AppAnswer = {},
  ): Promise<Outcome> =>
    ask(
      kind,
      (handler) => stack(handler, ...(fix === undefined ? [] : [proxyFix(fix)]), securityRedirect(own)),
      question,
      answer,
    )

  const over = (scheme: string, more: Record<string, string> = {}): Record<string, string> => ({
    'x-forwarded-proto': scheme,
    ...more,
  })

  it.each([
    { what: 'http', question: { target: '/a?b=c' }, location: `https://${HOST}/a?b=c` },
    {
      what: 'http by the proxy’s word',
      question: { target: '/a', headers: over('http') },
      location: `https://${HOST}/a`,
    },
    { what: 'ws', question: { target: '/a', headers: over('ws') }, location: `https://${HOST}/a` },
    {
      what: 'the forwarded host',
      question: { target: '/', headers: over('http', { 'x-forwarded-host': 'shop.example' }) },
      location: 'https://shop.example/',
    },
    {
      what: 'a port, which is that of http',
      question: { target: '/', headers: over('http', { 'x-forwarded-host': 'shop.example:8080' }) },
      location: 'https://shop.example/',
    },
    {
      what: 'an IPv6 address',
      question: { target: '/', headers: over('http', { 'x-forwarded-host': '[2001:db8::1]:8080' }) },
      location: 'https://[2001:db8::1]/',
    },
    {
      what: 'the prefix',
      question: { target: '/a', headers: over('http', { 'x-forwarded-prefix': '/app' }) },
      location: `https://${HOST}/app/a`,
    },
    {
      what: 'a path that looks like a host',
      question: { target: '//evil.example/a' },
      location: `https://${HOST}//evil.example/a`,
    },
    {
      what: 'a method with a body',
      question: { target: '/a', method: 'POST', body: 'x' },
      location: `https://${HOST}/a`,
    },
    { what: 'HEAD', question: { target: '/a', method: 'HEAD' }, location: `https://${HOST}/a` },
  ])('sends $what to https', async ({ question, location }) => {
    const outcome = await asked(question)
    expect(outcome).toMatchObject({ status: 308, seen: [] })
    expect(headersOf(outcome)['location']).toBe(location)
    expect(headersOf(outcome)).not.toHaveProperty('strict-transport-security') // RFC 6797 §7.2
  })

  it('sends the public path of an app that is mounted further down', async () => {
    const rewriter = Object.assign(new HeaderRewriter(), {
      rewrite(request: RewritableRequest) {
        request.prefix = '/deep'
        request.url = '/er'
      },
    })
    const outcome = await ask(kind, (handler) => stack(handler, rewriter, securityRedirect()))
    expect(headersOf(outcome)['location']).toBe(`https://${HOST}/deep/er`)
  })

  it.each([
    { what: 'https', scheme: 'https' },
    { what: 'wss', scheme: 'wss' },
  ])('lets $what through, with HSTS', async ({ scheme }) => {
    const outcome = await asked({ headers: over(scheme) })
    expect(outcome.seen).toHaveLength(1)
    expect(headersOf(outcome)['strict-transport-security']).toBe('max-age=15552000')
  })

  it('believes nobody who is no proxy', async () => {
    const outcome = await asked({ headers: over('https') }, {}, NOT_OURS)
    expect(outcome).toMatchObject({ status: 308, seen: [] })
  })

  it.each([
    { what: 'another status', own: { status: 302 }, status: 302, location: `https://${HOST}/` },
    { what: 'another port', own: { port: 8443 }, status: 308, location: `https://${HOST}:8443/` },
    { what: 'the port 443', own: { port: 443 }, status: 308, location: `https://${HOST}/` },
  ] as const)('takes $what', async ({ own, status, location }) => {
    const outcome = await asked({}, own)
    expect(outcome).toMatchObject({ status, seen: [] })
    expect(headersOf(outcome)['location']).toBe(location)
  })

  it.each([
    { hsts: { maxAge: 1 }, text: 'max-age=1' },
    { hsts: { maxAge: 0 }, text: 'max-age=0' },
    {
      hsts: { maxAge: 63_072_000, includeSubDomains: true, preload: true },
      text: 'max-age=63072000; includeSubDomains; preload',
    },
    { hsts: { maxAge: 5, includeSubDomains: false, preload: undefined }, text: 'max-age=5' },
    { hsts: false, text: undefined },
  ] as const)('says $text over https', async ({ hsts, text }) => {
    expect(headersOf(await asked({ headers: over('https') }, { hsts }))['strict-transport-security']).toBe(text)
  })

  it('leaves the HSTS of the app', async () => {
    const outcome = await asked({ headers: over('https') }, {}, OURS, {
      headers: [['Strict-Transport-Security', 'max-age=7']],
    })
    expect(headersOf(outcome)['strict-transport-security']).toBe('max-age=7')
  })

  it('answers 400 where there is no valid host to send to', async () => {
    if (kind === 'Fetch') {
      const app = stack((_request: Request) => new Response(), securityRedirect())
      const response = await app(new Request('http://internal/', { headers: { host: 'a@b' } }))
      expect(response.status).toBe(400)
      return
    }
    const outcome = await ask(kind, (handler) => securityRedirect().wrap(handler), {
      headers: { Host: 'a@evil.example' },
    })
    expect(outcome).toMatchObject({ status: 400, seen: [] })
    expect(outcome.body).toBe('Bad request: it names no valid host.\n')
  })

  it.each([
    { options: { status: 303 }, says: 'The option status of securityRedirect must be 301, 302, 307 or 308, not 303.' },
    { options: { status: '308' }, says: 'The option status of securityRedirect' },
    { options: { port: 0 }, says: 'The option port of securityRedirect must be a number from 1 to 65535, not 0.' },
    { options: { port: 65_536 }, says: 'The option port' },
    { options: { port: '443' }, says: 'The option port' },
    {
      options: { hsts: {} },
      says: 'The option hsts.maxAge of securityRedirect must be a whole number of seconds, not undefined.',
    },
    { options: { hsts: { maxAge: -1 } }, says: 'The option hsts.maxAge' },
    { options: { hsts: { maxAge: 1.5 } }, says: 'The option hsts.maxAge' },
    {
      options: { hsts: { maxAge: 1, includeSubdomains: true } },
      says: 'hsts of securityRedirect has no option includeSubdomains: did you mean includeSubDomains?',
    },
    { options: { hsts: { maxAge: 1, includeSubDomains: 'no' } }, says: 'includeSubDomains' },
    { options: { hsts: { maxAge: 1, preload: 1 } }, says: 'preload' },
    { options: { hsts: true }, says: 'hsts of securityRedirect' },
    { options: { hsts: null }, says: 'hsts of securityRedirect' },
    { options: { code: 308 }, says: 'securityRedirect has no option code' },
    { options: 308, says: 'The options of securityRedirect must be an object like { status: 308 }, not 308.' },
  ])('checks its options: $says', ({ options, says }) => {
    expect(optionError(() => securityRedirect(options as never))).toContain(says)
  })
})

describe.each(KINDS)('allowHosts() on %s', (kind) => {
  it.each([
    { host: 'shop.example', allowed: true },
    { host: 'SHOP.example:8080', allowed: true },
    { host: 'shop.example.', allowed: true },
    { host: 'a.deep.example', allowed: true },
    { host: 'deep.example', allowed: true },
    { host: 'xn--bcher-kva.example', allowed: true },
    { host: '[::1]:3000', allowed: true },
    { host: 'evil.example', allowed: false },
    { host: 'evilshop.example', allowed: false },
    { host: 'shop.example.evil.example', allowed: false },
    { host: 'notdeep.example', allowed: false },
    { host: '127.0.0.1', allowed: false },
  ])('lets $host: $allowed', async ({ host, allowed }) => {
    const wrap = allowHosts(['shop.example', '.deep.example', 'b\u00fccher.example', '[::1]'])
    const outcome = await ask(kind, (handler) => stack(handler, proxyFix({ xFor: 0, xHost: 1 }), wrap), {
      headers: { 'x-forwarded-host': host },
    })
    expect([outcome.status, outcome.seen.length]).toStrictEqual(allowed ? [200, 1] : [400, 0])
    if (!allowed) expect(outcome.body).toBe('Bad request: this host is not served here.\n')
  })

  it('lets nobody through by an empty list, and nobody whose host is none', async () => {
    expect(await ask(kind, (handler) => allowHosts([]).wrap(handler))).toMatchObject({ status: 400, seen: [] })
    if (kind === 'Node') {
      const outcome = await ask(kind, (handler) => allowHosts([HOST]).wrap(handler), {
        headers: { Host: `${HOST}@evil.example` },
      })
      expect(outcome).toMatchObject({ status: 400, seen: [] })
    }
  })

  it.each([
    { hosts: undefined, says: 'The list of allowHosts must be a list' },
    {
      hosts: 'shop.example',
      says: "The list of allowHosts must be a list like ['example.com', '.example.org'], not 'shop.example'.",
    },
    { hosts: [7], says: 'The list of allowHosts takes host names, not 7.' },
    { hosts: ['*'], says: "The list of allowHosts cannot take '*'" },
    { hosts: ['shop.example:80'], says: 'ports are not compared' },
    { hosts: ['::1'], says: "cannot take '::1'" },
    { hosts: ['https://shop.example'], says: 'cannot take' },
    { hosts: [''], says: 'cannot take' },
  ])('checks its list: $says', ({ hosts, says }) => {
    expect(optionError(() => allowHosts(hosts as never))).toContain(says)
  })
})

describe.each(KINDS)('realIp() on %s', (kind) => {
  const clientOf = async (
    headers: Record<string, string>,
    options: ProxyFixOptions | undefined,
    header = 'X-Real-IP',
  ): Promise<string | undefined> => {
    const outcome = await ask(
      kind,
      (handler) => stack(handler, ...(options === undefined ? [] : [proxyFix(options)]), realIp(header)),
      { headers },
    )
    expect(outcome.status).toBe(200)
    return outcome.seen[0]?.client
  }
  const NO_FOR: ProxyFixOptions = { xFor: 0, trustedProxies: 'loopback' }

  it.each([
    { what: 'an address', value: '203.0.113.7', client: '203.0.113.7' },
    { what: 'an IPv6 address', value: '2001:DB8::7', client: '2001:db8::7' },
    { what: 'a mapped address', value: '::ffff:203.0.113.7', client: '203.0.113.7' },
    { what: 'a list', value: '203.0.113.7, 10.0.0.1', client: PEER },
    { what: 'a port', value: '203.0.113.7:80', client: PEER },
    { what: 'a name', value: 'localhost', client: PEER },
    { what: 'nothing', value: '', client: PEER },
    { what: 'an address in another form', value: '0xcb.0.113.7', client: PEER },
    { what: 'an address in quotes', value: '"203.0.113.7"', client: PEER },
  ])('makes of $what from a trusted peer the client $client', async ({ value, client }) => {
    expect(await clientOf({ 'x-real-ip': value }, NO_FOR)).toBe(client)
  })

  it.each([
    { whom: 'another peer', options: { xFor: 0, trustedProxies: '10.0.0.0/8' } as ProxyFixOptions },
    { whom: 'nobody, where there is no proxyFix', options: undefined },
    { whom: 'whoever connects, where no peer has to prove anything', options: { xFor: 1 } as ProxyFixOptions },
    {
      whom: 'one without the secret',
      options: { xFor: 0, secret: { header: 'x-secret', values: 'right' } } as ProxyFixOptions,
    },
  ])('believes not $whom', async ({ options }) => {
    expect(await clientOf({ 'x-real-ip': '6.6.6.6', 'x-secret': 'wrong' }, options)).toBe(PEER)
  })

  it('believes one who has the secret', async () => {
    const options: ProxyFixOptions = { xFor: 0, secret: { header: 'x-secret', values: 'right' } }
    expect(await clientOf({ 'x-real-ip': '203.0.113.7', 'x-secret': 'right' }, options)).toBe('203.0.113.7')
  })

  it('takes a vendor’s header, as it was received, whatever proxyFix does with headers', async () => {
    for (const headers of ['normalize', 'keep', 'remove'] as const) {
      expect(await clientOf({ 'cf-connecting-ip': '203.0.113.7' }, { ...NO_FOR, headers }, 'CF-Connecting-IP')).toBe(
        '203.0.113.7',
      )
    }
    expect(await clientOf({ 'x-vendor': '203.0.113.7' }, NO_FOR, 'x-VENDOR')).toBe('203.0.113.7')
  })

  it('stands in for X-Forwarded-For where both are there, and that says the same afterwards', async () => {
    const outcome = await ask(kind, (handler) => stack(handler, proxyFix(OURS), realIp('X-Real-IP')), {
      headers: { 'x-real-ip': '203.0.113.7', 'x-forwarded-for': '192.0.2.1' },
    })
    expect(outcome.seen[0]).toMatchObject({
      client: '203.0.113.7',
      headers: { 'x-real-ip': '203.0.113.7', 'x-forwarded-for': '203.0.113.7' },
    })
  })

  it.each([undefined, '', 'a b', 'a:', 7, {}, 'x\r\n'])('needs the name of a header, not %o', (header) => {
    expect(optionError(() => realIp(header as never))).toContain(
      "realIp needs the name of a header, like 'X-Real-IP', not ",
    )
  })
})

describe.each(KINDS)('serverTiming() on %s', (kind) => {
  it('adds its time to those of the app', async () => {
    const outcome = await ask(
      kind,
      (handler) => serverTiming().wrap(handler),
      {},
      { headers: [['Server-Timing', 'db;dur=53']] },
    )
    expect(headersOf(outcome)['server-timing']).toMatch(/^db;dur=53, app;dur=\d+\.\d$/)
  })

  it('counts from the request to the head, answers of others behind it too', async () => {
    const outcome = await ask(kind, (handler) => stack(handler, serverTiming('all'), allowHosts([])))
    expect(outcome.status).toBe(400)
    expect(headersOf(outcome)['server-timing']).toMatch(/^all;dur=\d+\.\d$/)
  })

  it.each(['', 'a b', 'a;b', 'a"', 7, null])('cannot be called %o', (name) => {
    expect(optionError(() => serverTiming(name as never))).toContain(
      'serverTiming needs a name of letters, digits and hyphens',
    )
  })
})

/** The message of an option that cannot be: one sentence. */
function optionError(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (!(error instanceof ProxyFixError)) throw error
    expect(error.code).toBe('ERR_PROXYFIX_OPTION')
    expect(error.message).toMatch(/^\w[^\n]*[.?]$/)
    return error.message
  }
  throw new Error('nothing was thrown')
}
