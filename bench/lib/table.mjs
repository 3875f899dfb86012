/** How do rows look? As a Markdown table for each group, in line on a terminal as well. */

const COLUMNS = [
  { title: '', text: ({ name }) => name },
  {
    title: 'figure',
    text: ({ value, unit }) => (value === undefined ? '' : `${figure(value)} ${unit}`.trim()),
    isNumber: true,
  },
  { title: 'half lie in', text: ({ spread }) => (spread ? spread.map(figure).join('–') : ''), isNumber: true },
  { title: 'bytes', text: ({ bytes }) => (bytes === undefined ? '' : String(Math.round(bytes))), isNumber: true },
  { title: 'ratio', text: ({ ratio, unit }) => (ratio === undefined ? '' : ratioText(ratio, unit)), isNumber: true },
  { title: 'against', text: ({ against = '' }) => against },
  { title: 'goal', text: ({ goal = '' }) => goal },
  { title: 'met', text: ({ met }) => (met === undefined ? '' : met ? 'yes' : '**no**') },
  { title: 'note', text: ({ note = '' }) => note },
]

/** All groups, each a table under its heading. */
export function tables(rows) {
  const groups = [...new Set(rows.map(({ group }) => group))]
  const membersOf = (name) => rows.filter(({ group }) => group === name)
  return groups.map((group) => `### ${group}\n\n${table(membersOf(group))}\n`).join('\n')
}

/** One table of the columns that say anything. */
function table(rows) {
  const columns = COLUMNS.map(({ title, text, isNumber = false }) => ({
    title,
    isNumber,
    cells: rows.map(text),
  })).filter(({ title, cells }) => title === '' || cells.some((cell) => cell !== ''))
  const widths = columns.map(({ title, cells }) => Math.max(3, ...[title, ...cells].map((cell) => cell.length)))
  const line = (cellOf) => `| ${columns.map((column, at) => cellOf(column, widths[at])).join(' | ')} |`
  const padded = (text, { isNumber }, width) => (isNumber ? text.padStart(width) : text.padEnd(width))
  return [
    line((column, width) => padded(column.title, column, width)),
    line(({ isNumber }, width) => (isNumber ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))),
    ...rows.map((_, row) => line((column, width) => padded(column.cells[row], column, width))),
  ].join('\n')
}

/** Three digits that count; a figure of thousands has its own. */
function figure(value) {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return String(Math.round(value))
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

/** Less time than half is easier read as a speed. */
function ratioText(ratio, unit) {
  const isTime = unit.endsWith('s') && !unit.includes('/')
  return isTime && ratio < 0.5 ? `${figure(1 / ratio)} × faster` : `${figure(ratio)} ×`
}
