/** Do the results of the benchmarks say what was measured? Their arithmetic and their text; never how long something took. */

import { describe, expect, it } from 'vitest'
import { results, sectionsOf } from '../../../bench/lib/results.mjs'
import { judged, rowsOf } from '../../../bench/lib/rows.mjs'
import { interquartile, median, medianRatio, quantile } from '../../../bench/lib/statistics.mjs'
import { tables } from '../../../bench/lib/table.mjs'

describe('statistics', () => {
  it('takes the middle, or lies between the two that are', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(quantile([10, 20], 0.99)).toBeCloseTo(19.9)
    expect(interquartile([5, 1, 4, 2, 3])).toEqual([2, 4])
  })

  it('compares within a round, so that a slow minute is no difference', () => {
    const [ours, theirs] = [
      [10, 30, 60],
      [5, 40, 20],
    ]
    expect(medianRatio(ours!, theirs!)).toBe(2)
    expect(median(ours!) / median(theirs!)).toBe(1.5)
  })
})

describe('rows', () => {
  it('subtract what is no part of them, in figures, bytes and ratios', () => {
    const [, fix, both] = rowsOf('Fix', 'ns', [
      { name: 'bare', samples: [100, 200, 300], bytes: 1000 },
      { name: 'fix', samples: [150, 250, 350], bytes: 1100, minus: 'bare' },
      { name: 'both', samples: [200, 300, 400], bytes: 1300, minus: 'bare', against: 'fix', goal: { most: 1.5 } },
    ])
    expect(fix).toMatchObject({ value: 50, spread: [50, 50], bytes: 100 })
    expect(both).toMatchObject({ value: 100, ratio: 2, bytes: 300, goal: '≤ 1.5 ×', met: false })
  })

  it('have no ratio to what is less than nothing', () => {
    const [, , ours] = rowsOf('Context', 'ns', [
      { name: 'bare', samples: [100, 100] },
      { name: 'theirs', samples: [90, 90], minus: 'bare' },
      { name: 'ours', samples: [110, 110], minus: 'bare', against: 'theirs' },
    ])
    expect(ours).toEqual({ group: 'Context', name: 'ours', value: 10, unit: 'ns', spread: [10, 10] })
  })

  const row = { group: 'A', name: 'b', value: 20, unit: 'ns', ratio: 0.1, bytes: 64 }
  it.each([
    [{ most: 0.1 }, '≤ 0.1 ×', true],
    [{ most: 0.09 }, '≤ 0.09 ×', false],
    [{ least: 0.1 }, '≥ 0.1 ×', true],
    [{ least: 6 }, '≥ 6 ×', false],
    [{ faster: 10 }, '≥ 10 × faster', true],
    [{ faster: 11 }, '≥ 11 × faster', false],
    [{ value: 20, bytes: 64 }, '≤ 20 ns, ≤ 64 B', true],
    [{ value: 20, bytes: 63 }, '≤ 20 ns, ≤ 63 B', false],
    [{ value: 19, bytes: 64 }, '≤ 19 ns, ≤ 64 B', false],
  ])('are judged by every limit of %o', (goal, text, met) => {
    expect(judged(row, goal)).toEqual({ ...row, goal: text, met })
  })

  it('without a goal are not judged', () => {
    expect(judged(row, undefined)).toEqual(row)
  })
})

describe('tables', () => {
  it('have a heading for each group, and the columns that say anything', () => {
    const text = tables([
      { group: 'Time', name: 'the limit', value: 1234.4, unit: 'ns' },
      {
        group: 'Time',
        name: 'ours',
        value: 3.456,
        unit: 'ns',
        ratio: 0.25,
        against: 'the limit',
        goal: '≤ 1 ×',
        met: true,
      },
      { group: 'Speed', name: 'ours', value: 12.34, unit: 'requests/s', ratio: 0.25, against: 'theirs', met: false },
      { group: 'Speed', name: 'theirs', note: 'not there' },
    ])
    expect(text).toBe(`### Time

|           |  figure |      ratio | against   | goal  | met |
| --------- | ------: | ---------: | --------- | ----- | --- |
| the limit | 1234 ns |            |           |       |     |
| ours      | 3.46 ns | 4 × faster | the limit | ≤ 1 × | yes |

### Speed

|        |          figure |  ratio | against | met    | note      |
| ------ | --------------: | -----: | ------- | ------ | --------- |
| ours   | 12.3 requests/s | 0.25 × | theirs  | **no** |           |
| theirs |                 |        |         |        | not there |
`)
  })
})

describe('the file', () => {
  it('has its sections in order, and gives them back to be replaced alone', () => {
    const sections = new Map([
      ['decide', 'Measured.\n\n### A\n\n| a |'],
      ['fix', 'Measured.\n\n### B\n\n| b |'],
    ])
    const text = results(sections, 'express 5.3.0')
    expect(text).toContain('Measured beside: express 5.3.0.')
    expect(sectionsOf(text)).toEqual(sections)
    expect(results(sectionsOf(text), 'express 5.3.0')).toBe(text)
  })
})
