/**
 * Which name was meant by a misspelt one? Werkzeug's spelling (`x_for`), another case, another ending (`xProtocol`), a slip
 * or two: one in four letters, so that a word which only happens to look alike (`cors`, `cert`) is none.
 */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const wanted = plain(name)
  let best: string | undefined
  let bestDistance = Math.min(5, Math.max(1, Math.floor(wanted.length / 4))) + 1
  for (const candidate of names) {
    const distance = distanceOf(wanted, plain(candidate))
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '')
}

function distanceOf(a: string, b: string): number {
  const [short, long] = a.length < b.length ? [a, b] : [b, a]
  const isEnding = short.length > 3 && long.startsWith(short) && long.length <= short.length * 1.5
  return isEnding ? 1 : editDistance(a, b)
}

/** Damerau's distance, where two letters that changed places are one slip; it runs once, for a mistake. */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, index) => index)]
  for (let i = 1; i <= a.length; i++) {
    const before = rows[i - 1]!
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = before[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(before[j]! + 1, row[j - 1]! + 1, substituted))
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
