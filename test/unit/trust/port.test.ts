import { describe, expect, it } from 'vitest'
import { parsePort, readPort } from '../../../src/trust/port.ts'

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

describe('readPort', () => {
  it.each([
    ['a:80', 2, 4, 80],
    ['a:8080,', 2, 4, 80],
    ['65535', 0, 5, 65535],
    ['65536', 0, 5, 0],
    ['123456', 0, 6, 0],
    ['080', 0, 3, 0],
    ['080', 1, 3, 80],
    ['80', 1, 1, 0],
    ['8/', 0, 2, 0],
    ['8:', 0, 2, 0],
    ['100', 0, 3, 100],
  ])('in %j from %i to %i is %i', (text, start, end, port) => {
    expect(readPort(text, start, end)).toBe(port)
  })
})
