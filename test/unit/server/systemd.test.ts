/** The sockets that systemd passes on: which they are, and why there are none. */

import { describe, expect, it } from 'vitest'
import { hasPassedSockets, systemdFds } from '../../../src/server/systemd.ts'

const ours = { LISTEN_PID: String(process.pid) }

describe('systemdFds', () => {
  it('are those from 3 on, or those of one name', () => {
    expect(systemdFds(undefined, { ...ours, LISTEN_FDS: '2' })).toStrictEqual([3, 4])
    const named = { ...ours, LISTEN_FDS: '3', LISTEN_FDNAMES: 'web:metrics:web' }
    expect(systemdFds('web', named)).toStrictEqual([3, 5])
    expect(hasPassedSockets(named)).toBe(true)
    expect(() => systemdFds('\u001b[31mx', named)).toThrow("called 'web', 'metrics'.")
    expect(() => systemdFds('\u001b[31mx', named)).not.toThrow('\u001b')
  })

  it.each(['1e10', '2147483648', '1e3', '0x1', ' 1', '01', 'abc', '-1', ''])(
    'are told when %j is their number',
    (count) => {
      const message = /^The variable LISTEN_FDS must be a number of sockets, 1 to 9999, not '.*'\.$/
      const environment = { ...ours, LISTEN_FDS: count }
      expect(() => systemdFds(undefined, environment)).toThrow(message)
      expect(() => hasPassedSockets(environment)).toThrow(message)
    },
  )

  it.each<[environment: NodeJS.ProcessEnv, says: string]>([
    [{}, 'LISTEN_FDS is not set'],
    [{ LISTEN_FDS: '1' }, 'LISTEN_PID is not set'],
    [{ LISTEN_FDS: '1', LISTEN_PID: '1' }, 'LISTEN_PID names another process'],
    [{ LISTEN_FDS: 'abc', LISTEN_PID: '1' }, 'LISTEN_PID names another process'],
    [{ ...ours, LISTEN_FDS: '0' }, 'LISTEN_FDS is 0'],
  ])('are none with %j, and it is said why', (environment, says) => {
    expect(hasPassedSockets(environment)).toBe(false)
    expect(() => systemdFds(undefined, environment)).toThrow(says)
  })
})
