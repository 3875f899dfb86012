/**
 * Context locals: functions that know who is being served without being told.
 *
 *   npx proxyfix serve -b 127.0.0.1:8000 --x-for 1 --trust loopback examples/context.js
 *   curl -H 'X-Forwarded-For: 203.0.113.7' http://127.0.0.1:8000/hello?name=Ada
 */

import { setTimeout as wait } from 'node:timers/promises'
import { afterThisRequest, connection, g, onTeardown, request, requestContext } from 'proxyfix/context'

async function greeting() {
  await wait(10) // other requests are served meanwhile
  return `Hello ${g.name} at ${connection.client.address}, you asked for ${new URL(request.url).pathname}\n`
}

export default requestContext(async () => {
  g.name = new URL(request.url).searchParams.get('name') ?? 'you'
  afterThisRequest((response) => response.headers.set('x-greeted', g.name))
  onTeardown(() => console.log(`greeted ${g.name}`))
  return new Response(await greeting())
})
