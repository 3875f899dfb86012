/** Connections of TLS whose clients reset them in the middle of a head: nothing of them stays open. */

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { expect, it, vi } from 'vitest'
import { serve } from '../../../src/server/index.ts'

it('connections that are reset in the middle of a head do not stay open', async () => {
  const errors = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const app = (_req: IncomingMessage, res: ServerResponse): void => void res.end()
  const server = await serve(app, { bind: '127.0.0.1:0', tls: 'adhoc' })
  const port = Number(new URL(server.url).port)
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      const below = connect(port, '127.0.0.1')
      const socket = connectTls({ socket: below, rejectUnauthorized: false })
      for (const one of [below, socket]) one.on('error', () => undefined)
      await once(socket, 'secureConnect')
      await new Promise((resolve) => socket.write('GET /', resolve))
      below.resetAndDestroy()
    }),
  )
  await server.close({ timeout: Infinity }) // it waits for all of them
  errors.mockRestore()
  await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED')
})
