/** What is the middle of many noisy figures, and how far do they lie apart? */

/** The value below which that share of the figures lies, between the two nearest where it falls between them. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const below = Math.floor(place)
  const above = Math.ceil(place)
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below)
}

export function median(values) {
  return quantile(values, 0.5)
}

/** The quartiles: half of the figures lie between them, whatever the worst of them are. */
export function interquartile(values) {
  return [quantile(values, 0.25), quantile(values, 0.75)]
}

/**
 * How many times as much as another, in the middle of the rounds: both were measured in each of them, so what slows the
 * machine for a while slows both.
 */
export function medianRatio(values, others) {
  return median(values.map((value, round) => value / others[round]))
}
