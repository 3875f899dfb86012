/** What probes are answered, and what is none of theirs. */

import { createServer } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { healthCheck } from '../../../src/server/health.ts'
import { close, exchange, listen, parseResponses, requestText } from '../../fixtures/raw-http.ts'

const check = healthCheck('/healthz', () => isServing)
let isServing = true

afterEach(() => {
  isServing = true
})

async function ask(...lines: readonly string[]): Promise<{ status: number; body: string; cached: string | undefined }> {
  const server = createServer((req, res) => {
    if (!check(req, res)) res.writeHead(404).end('app')
  })
  const answer = await exchange(await listen(server), requestText(...lines, 'Connection: close'))
  await close(server)
  const [response] = parseResponses(answer)
  return { status: response!.status, body: response!.body, cached: response!.headers['cache-control'] }
}

describe('a health check', () => {
  it.each([
    { line: 'GET /healthz HTTP/1.1', host: '10.0.0.7:8000' },
    { line: 'GET /healthz HTTP/1.1', host: '' },
    { line: 'GET /healthz?from=kubelet HTTP/1.1', host: 'a' },
    { line: 'GET http://a.example/healthz HTTP/1.1', host: 'b.example' },
  ])('answers $line with Host $host', async ({ line, host }) => {
    expect(await ask(line, `Host: ${host}`)).toEqual({ status: 200, body: 'OK\n', cached: 'no-store' })
  })

  it('answers HEAD without a body', async () => {
    expect(await ask('HEAD /healthz HTTP/1.1', 'Host: a')).toMatchObject({ status: 200, body: '' })
  })

  it('says so while the server drains', async () => {
    isServing = false
    expect(await ask('GET /healthz HTTP/1.1', 'Host: a')).toMatchObject({ status: 503, body: 'Draining.\n' })
  })

  it('takes no other method', async () => {
    expect(await ask('POST /healthz HTTP/1.1', 'Host: a', 'Content-Length: 0')).toMatchObject({ status: 405 })
  })

  it.each(['/healthz/', '/healthz/live', '/', '//healthz', '/HEALTHZ', '/%68ealthz', '/a/../healthz', '*'])(
    'leaves %s to the app',
    async (target) => {
      const method = target === '*' ? 'OPTIONS' : 'GET'
      expect(await ask(`${method} ${target} HTTP/1.1`, 'Host: a')).toMatchObject({ status: 404, body: 'app' })
    },
  )

  it.each(['', 'healthz', '/healthz?x', '/health z', '/#', 7])('has no path %j', (path) => {
    expect(() => healthCheck(path as string, () => true)).toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION', message: expect.stringContaining('/healthz') as string }),
    )
  })
})
