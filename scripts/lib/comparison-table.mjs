/** How are right and wrong answers shown side by side, for people, in 100 columns? */

const HEADINGS = ['request', 'field', 'without proxyFix', 'with proxyFix', 'the truth']
const FIELDS = { address: 'client', scheme: 'scheme', host: 'host', url: 'url' }
const WIDEST_REQUEST = 24
const WIDEST_VALUE = 19

/**
 * @param comparisons For each request what to call it (`lines`), and what each side saw (`without`, `with`, `truth`).
 * @param colour Whether the terminal shows colours.
 * @returns The text of the table, and how many values were right and wrong on each side.
 */
export function comparisonTable(comparisons, colour) {
  const score = { without: { right: 0, wrong: 0 }, with: { right: 0, wrong: 0 } }
  const rows = []
  for (const { lines, truth, ...seen } of comparisons) {
    const requestCells = lines.flatMap(wrap)
    Object.entries(FIELDS).forEach(([field, label], index) => {
      const [without, withFix] = ['without', 'with'].map((side) => {
        const right = seen[side][field] === truth[field]
        score[side][right ? 'right' : 'wrong']++
        return { right, text: `${right ? '✓' : '✗'} ${shorten(seen[side][field], WIDEST_VALUE)}` }
      })
      const request = { text: requestCells[index] ?? '' }
      rows.push([request, { text: label }, without, withFix, { text: shorten(truth[field], WIDEST_VALUE) }])
    })
    rows.push([])
  }
  const headings = HEADINGS.map((text) => ({ text }))
  return { text: align([headings, HEADINGS.map(() => ({})), ...rows], colour), score }
}

/** A header that is too long for its column goes on in the next line. */
function wrap(line) {
  if (line.length <= WIDEST_REQUEST) return [line]
  const end = line.indexOf(': ') + 1
  return [line.slice(0, end), ` ${line.slice(end)}`]
}

function shorten(value, width) {
  const text = String(value ?? '–')
  return text.length > width ? `${text.slice(0, width - 1)}…` : text
}

/** A cell without text is a rule as wide as its column. */
function align(rows, colour) {
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.text?.length ?? 0)))
  return rows
    .map((row) => row.map(({ text, right }, column) => paint(pad(text, widths[column]), right, colour)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd()
}

function pad(text, width) {
  return text === undefined ? '─'.repeat(width) : text.padEnd(width)
}

function paint(text, right, colour) {
  if (!colour || right === undefined) return text
  return `\u001B[${right ? 32 : 31}m${text}\u001B[39m`
}
