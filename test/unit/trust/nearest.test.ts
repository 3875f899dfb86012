/** What is taken for a slip, and what is another word. */

import { describe, expect, it } from 'vitest'
import { flagOf, SETTINGS } from '../../../src/server/settings.ts'
import { nearest } from '../../../src/trust/nearest.ts'

const FLAGS = SETTINGS.map(({ name }) => flagOf(name))

describe('nearest', () => {
  it.each([
    ['helth', 'health'],
    ['wrokers', 'workers'],
    ['worker', 'workers'],
    ['access_log', 'access-log'],
    ['accessLogs', 'access-log'],
    ['max-request', 'max-requests'],
    ['keepalivetimeout', 'keep-alive-timeout'],
    ['keepalivtiemout', 'keep-alive-timeout'],
    ['bnid', 'bind'],
  ])('of %s is %s', (name, meant) => {
    expect(nearest(name, FLAGS)).toBe(meant)
  })

  it.each([
    'on-starting',
    'cors',
    'proc-name',
    'header',
    'date-header',
    'strict',
    'stats',
    'log-config',
    'ca-certs',
    'cert-reqs',
    'x',
    '',
  ])('of %s is none', (name) => {
    expect(nearest(name, FLAGS)).toBeUndefined()
  })
})
