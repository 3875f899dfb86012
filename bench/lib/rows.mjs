/** What is one row of the results, and does it meet its goal? */

import { interquartile, median, medianRatio } from './statistics.mjs'

/**
 * @typedef {object} Row One figure.
 * @property {string} group The heading it stands under.
 * @property {string} name What was measured.
 * @property {number} value The median, or what was counted.
 * @property {string} unit
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
 * @property {number} [added] The most above the other's value.
 * @property {number} [addedBytes] The most bytes above the other's.
 */

/** What each limit says, and whether a row keeps it; `other` is the row that it is held against. */
const LIMITS = {
  most: { text: (limit) => `≤ ${limit} ×`, isKept: (limit, { ratio }) => ratio <= limit },
  least: { text: (limit) => `≥ ${limit} ×`, isKept: (limit, { ratio }) => ratio >= limit },
  faster: { text: (limit) => `≥ ${limit} × faster`, isKept: (limit, { ratio }) => ratio <= 1 / limit },
  value: { text: (limit, { unit }) => `≤ ${limit} ${unit}`, isKept: (limit, { value }) => value <= limit },
  bytes: { text: (limit) => `≤ ${limit} B`, isKept: (limit, { bytes }) => bytes === undefined || bytes <= limit },
  added: {
    text: (limit, { unit }) => `≤ ${limit} ${unit} more`,
    isKept: (limit, { value }, other) => value - other.value <= limit,
  },
  addedBytes: {
    text: (limit) => `≤ ${limit} B more`,
    isKept: (limit, { bytes }, other) => bytes === undefined || bytes - other.bytes <= limit,
  },
}

/** The row with the words of its goal, and whether it meets it. */
export function judged(row, goal, other) {
  if (goal === undefined) return row
  const limits = Object.entries(goal)
  return {
    ...row,
    goal: limits.map(([name, limit]) => LIMITS[name].text(limit, row)).join(', '),
    met: limits.every(([name, limit]) => LIMITS[name].isKept(limit, row, other)),
  }
}

/**
 * Rows of what was measured in the same rounds.
 *
 * @param subjects `{ name, samples, bytes?, against?, goal?, note? }`: a figure for each round.
 */
export function rowsOf(group, unit, subjects) {
  const rows = new Map()
  const samplesOf = new Map(subjects.map(({ name, samples }) => [name, samples]))
  for (const { name, samples, bytes, against, note } of subjects) {
    rows.set(name, {
      group,
      name,
      value: median(samples),
      unit,
      spread: interquartile(samples),
      ...(against !== undefined && { against, ratio: medianRatio(samples, samplesOf.get(against)) }),
      ...(bytes !== undefined && { bytes }),
      ...(note !== undefined && { note }),
    })
  }
  return subjects.map(({ name, against, goal }) => judged(rows.get(name), goal, rows.get(against)))
}
