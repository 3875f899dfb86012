import { describe, expect, it } from 'vitest'
import { parsePort } from '../../../src/trust/port.ts'

describe('parsePort (contract rule 5)', () => {
  it.each([
    ['1', 1],
    ['9', 9],
    ['80', 80],
    ['10000', 10000],
    ['65535', 65535],
  ])('%s is a port', (text, port) => {
    expect(parsePort(text)).toBe(port)
  })

  it.each([
    '',
    '0',
    '00',
    '01',
    '080',
    '65536',
    '70000',
    '99999',
    '100000',
    '4294967376',
    '-1',
    '+1',
    ' 1',
    '1 ',
    '1.0',
    '1e2',
    '0x50',
    '80a',
    'http',
    '８０',
    '٣',
    '1\0',
    '1'.repeat(1000),
  ])('%j is none', (text) => {
    expect(parsePort(text)).toBeUndefined()
  })
})
