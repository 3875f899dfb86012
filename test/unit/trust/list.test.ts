/** Which value counts? A list is split at commas and at nothing else, and counted from the right (contract rule 1). */

import { describe, expect, it } from 'vitest'
import { countValues, fromRight } from '../../../src/trust/list.ts'

describe('fromRight', () => {
  it.each<[string, number, string | undefined]>([
    ['a', 1, 'a'],
    ['a', 2, undefined],
    ['a,b,c', 1, 'c'],
    ['a,b,c', 2, 'b'],
    ['a,b,c', 3, 'a'],
    ['a,b,c', 4, undefined],
    ['a, b ,\tc\t', 2, 'b'],
    ['a, b ,\tc\t', 1, 'c'],
    ['', 1, ''],
    ['', 2, undefined],
    [' \t', 1, ''],
    [',', 1, ''],
    [',', 2, ''],
    [',', 3, undefined],
    [',,', 3, ''],
    ['a,', 1, ''],
    ['a,', 2, 'a'],
    [',a', 1, 'a'],
    [',a', 2, ''],
    ['a, ,b', 2, ''],
    ['a,,b', 3, 'a'],
    ['"a,b"', 1, 'b"'],
    ['"a,b"', 2, '"a'],
    ['\\,a', 2, '\\'],
    ['a;b', 1, 'a;b'],
    ['a b', 1, 'a b'],
    ['a\n', 1, 'a\n'],
    ['\u00a0a', 1, '\u00a0a'],
    ['\u3000a', 1, '\u3000a'],
    ['a，b', 1, 'a，b'],
    ['a\0,b\0', 2, 'a\0'],
  ])('of %j, %i is %j', (list, count, value) => {
    expect(fromRight(list, count)).toBe(value)
  })

  it('reads nothing to the left of the value, so that its cost does not grow with what a client sends', () => {
    // A text that tells how far to the left it was searched.
    class Watched extends String {
      leftmost = Number.POSITIVE_INFINITY
      override lastIndexOf(search: string, position?: number): number {
        const found = super.lastIndexOf(search, position)
        this.leftmost = Math.min(this.leftmost, found)
        return found
      }
    }
    const watched = new Watched(`${'6.6.6.6,'.repeat(1000)}203.0.113.7,10.0.0.2`)
    // It has all that a string has, and typeof is not asked.
    expect(fromRight(watched as unknown as string, 2)).toBe('203.0.113.7')
    expect(watched.leftmost).toBe(7999)
  })
})

describe('countValues', () => {
  it.each([
    ['', 1],
    ['a', 1],
    ['a,b', 2],
    [',', 2],
    ['a,,b,', 4],
  ])('of %j is %i', (list, values) => {
    expect(countValues(list)).toBe(values)
  })
})
