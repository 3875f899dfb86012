/** A client of HTTP/2 that goes away is noticed by the program, in one process and with workers, and stopping waits for nobody. */

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { launch, type Serving } from './program.ts'

const APP = `
export default {
  fetch(request) {
    request.signal.addEventListener('abort', () => console.error('aborted'))
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('data: one\\n\\n')),
      cancel: () => console.error('cancelled'),
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  },
}
`

let folder: string
let server: Serving

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-http2-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'app.js'), APP)
})
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(async () => {
  await server.stop()
})

it.each([
  { how: 'in one process', flags: [] },
  { how: 'with workers', flags: ['-w', '1'] },
])('$how', async ({ flags }) => {
  const log = join(folder, `access-${flags.length}.log`)
  const args = ['-b', '127.0.0.1:0', '--cert', 'adhoc', '--http2', '--graceful-timeout', '1h', '--access-log', log]
  server = await launch([...args, ...flags, 'app.js'], { folder })
  const session = connectHttp2(server.url, { rejectUnauthorized: false })
  session.on('error', () => undefined)
  await once(session.request({ ':path': '/events' }), 'data')
  session.destroy()
  await server.said('aborted')
  await server.said('cancelled')
  server.signal('SIGTERM')
  expect(await server.ended).toMatchObject({ code: 0 })
  expect(readFileSync(log, 'utf8')).toMatch(/"GET \/events HTTP\/2\.0" 499 11 /)
})
