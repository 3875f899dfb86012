/** What is one row of the results, and does it meet its goal? */

import { interquartile, median, medianRatio } from './statistics.mjs'

/**
 * @typedef {object} Row One figure.
 * @property {string} group The heading it stands under.
 * @property {string} name What was measured.
 * @property {number} [value] The median, or what was counted; absent when it could not be measured.
 * @property {string} [unit]
 * @property {[number, number]} [spread] The quartiles.
 * @property {string} [against] The row that it is held against, of the same group.
 * @property {number} [ratio] How many times as much as that one.
 * @property {number} [bytes] Allocated a call.
 * @property {string} [goal] As it is printed.
 * @property {boolean} [met]
 * @property {string} [note] What a reader must know of it.
 *
 * @typedef {object} Goal One or several limits, all to be kept.
 * @property {number} [most] The highest ratio.
 * @property {number} [least] The lowest ratio, where more is better.
 * @property {number} [faster] How many times less than the other at the least.
 * @property {number} [value] The highest value.
 * @property {number} [bytes] The most bytes.
 */

/** What each limit says, and whether a row keeps it. */
const LIMITS = {
  most: { text: (limit) => `≤ ${limit} ×`, isKept: (limit, { ratio }) => ratio <= limit },
  least: { text: (limit) => `≥ ${limit} ×`, isKept: (limit, { ratio }) => ratio >= limit },
  faster: { text: (limit) => `≥ ${limit} × faster`, isKept: (limit, { ratio }) => ratio <= 1 / limit },
  value: { text: (limit, { unit }) => `≤ ${limit} ${unit}`, isKept: (limit, { value }) => value <= limit },
  bytes: { text: (limit) => `≤ ${limit} B`, isKept: (limit, { bytes }) => bytes === undefined || bytes <= limit },
}

/** The row with the words of its goal, and whether it meets it. */
export function judged(row, goal) {
  if (goal === undefined) return row
  const limits = Object.entries(goal)
  return {
    ...row,
    goal: limits.map(([name, limit]) => LIMITS[name].text(limit, row)).join(', '),
    met: limits.every(([name, limit]) => LIMITS[name].isKept(limit, row)),
  }
}

/**
 * Rows of what was measured in the same rounds.
 *
 * @param subjects `{ name, samples, bytes?, minus?, against?, goal?, note? }`, with a figure for each round. What the one
 * named by `minus` takes is no part of it.
 */
export function rowsOf(group, unit, subjects) {
  const all = new Map(subjects.map((subject) => [subject.name, subject]))
  const figuresOf = (name) => {
    const { samples, bytes, minus } = all.get(name)
    if (minus === undefined) return { samples, bytes }
    const part = all.get(minus)
    return {
      samples: samples.map((sample, round) => sample - part.samples[round]),
      bytes: bytes === undefined ? undefined : bytes - part.bytes,
    }
  }
  return subjects.map(({ name, against, goal, note }) => {
    const { samples, bytes } = figuresOf(name)
    const ratio = against === undefined ? undefined : medianRatio(samples, figuresOf(against).samples)
    const row = {
      group,
      name,
      value: median(samples),
      unit,
      spread: interquartile(samples),
      // Of what is less than nothing, once something is subtracted, there is no ratio.
      ...(ratio > 0 && { against, ratio }),
      ...(bytes !== undefined && { bytes }),
      ...(note !== undefined && { note }),
    }
    return judged(row, goal)
  })
}
