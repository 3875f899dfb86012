/**
 * An explanation as a table for people. Much of its text was chosen by a client, and it ends up in a terminal: only
 * visible ASCII is shown as it is, so that no escape sequence, line break or invisible sign can draw what is not so.
 */

import type { ExplainedDecision } from './explanation.ts'
import { clientText } from './client-text.ts'

/** How the table is drawn. */
export interface TableOptions {
  /** Columns. @default 80 */
  readonly width?: number | undefined
  /** Whether to use the colours of a terminal. @default false */
  readonly color?: boolean | undefined
}

type Style = keyof typeof STYLES

const STYLES = { plain: '', bold: '1', dim: '2', red: '31', green: '32', yellow: '33' } as const

interface Cell {
  readonly text: string
  readonly style?: Style
}

type Row = readonly Cell[]

const MIN_WIDTH = 40
const GAP = 2

/** Draws the table. */
export function explanationTable(explanation: ExplainedDecision, { width = 80, color = false }: TableOptions): string {
  const { info, peer, fields, hops, hopCount, otherCounts, warnings } = explanation
  const draw = new Drawing(Math.max(width, MIN_WIDTH), color)

  draw.title('Peer')
  draw.rows([
    [
      { text: clientText(peer) ?? 'no address' },
      peer.trusted ? { text: 'trusted', style: 'green' } : { text: 'not trusted', style: 'red' },
      { text: peer.reason },
    ],
  ])

  const [first] = fields
  if (first !== undefined && hops.length > 0) {
    draw.title(`${first.header}, from the right (${first.setting})`)
    draw.rows(
      hops.map(({ place, text, role, reason }): Row => {
        const style = role === 'client' ? 'green' : role === 'ended' ? 'red' : role === 'unread' ? 'dim' : 'plain'
        return [
          { text: String(place), style },
          { text: text || '(empty)', style },
          { text: reason, style },
        ]
      }),
    )
    if (hops.length < hopCount) draw.rows([[{ text: `and ${hopCount - hops.length} more, not read`, style: 'dim' }]])
  }

  draw.title('Decision')
  draw.rows(
    fields.map(({ field, value, verdict, reason }): Row => {
      const style =
        verdict === 'trusted'
          ? 'green'
          : verdict === 'short' || verdict === 'empty' || verdict === 'invalid'
            ? 'red'
            : 'plain'
      return [{ text: LABELS[field] }, { text: value || '(none)', style }, { text: verdict, style }, { text: reason }]
    }),
  )
  if (info.refusal !== undefined) {
    draw.rows([[{ text: `refused with ${info.refusal.status}`, style: 'red' }, { text: info.refusal.reason }]])
  }

  if (otherCounts.length > 0) {
    draw.title('With other hop counts')
    draw.rows(
      otherCounts.map(({ hops: count, isSet, client, scheme, host, prefix, verdicts, refusal }): Row => {
        const style: Style = isSet ? 'bold' : 'plain'
        const outcome = refusal === undefined ? verdicts.for : `${verdicts.for}, refused`
        return [
          { text: `${isSet ? '>' : ' '} ${count}`, style },
          { text: clientText(client) ?? '(none)', style },
          { text: outcome, style },
          { text: `${scheme}://${host ?? ''}${prefix}`, style },
        ]
      }),
    )
  }

  if (warnings.length > 0) {
    draw.title('Warnings')
    draw.rows(warnings.map((text): Row => [{ text, style: 'yellow' }]))
  }
  return draw.text()
}

const LABELS = { for: 'client', proto: 'scheme', host: 'host', port: 'port', prefix: 'prefix' } as const

/** Lines of a table, no wider than asked: the last column is wrapped, those before it are cut. */
class Drawing {
  readonly #width: number
  readonly #color: boolean
  readonly #lines: string[] = []

  constructor(width: number, color: boolean) {
    this.#width = width
    this.#color = color
  }

  title(text: string): void {
    if (this.#lines.length > 0) this.#lines.push('')
    for (const line of wrapped(visible(text), this.#width)) this.#lines.push(this.#styled(line, 'bold'))
  }

  rows(rows: readonly Row[]): void {
    const columns = Math.max(...rows.map((row) => row.length)) - 1
    const most = Math.floor((this.#width - GAP) / (columns + 1)) - GAP
    const widths = Array.from({ length: columns }, (_, column) =>
      Math.min(most, Math.max(...rows.map((row) => (column < row.length - 1 ? visible(row[column]!.text).length : 0)))),
    )
    for (const row of rows) this.#row(row, widths)
  }

  text(): string {
    return this.#lines.join('\n')
  }

  #row(row: Row, widths: readonly number[]): void {
    let line = ' '.repeat(GAP)
    let column = GAP
    for (const [index, { text, style }] of row.slice(0, -1).entries()) {
      const width = widths[index]!
      const shown = cut(visible(text), width)
      line += this.#styled(shown, style) + ' '.repeat(width - shown.length + GAP)
      column += width + GAP
    }
    const last = row.at(-1)!
    const [first = '', ...more] = wrapped(visible(last.text), this.#width - column)
    this.#lines.push((line + this.#styled(first, last.style)).trimEnd())
    for (const part of more) this.#lines.push(' '.repeat(column) + this.#styled(part, last.style))
  }

  #styled(text: string, style: Style = 'plain'): string {
    return this.#color && style !== 'plain' && text !== '' ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text
  }
}

/** Visible ASCII and blanks as they are, anything else by its number. */
function visible(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/gu, (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`)
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(width - 3, 0))}...`.slice(0, width)
}

/** Lines of at most `width` characters, broken at blanks where there are any. */
function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let rest = text
  while (rest.length > width) {
    const blank = rest.lastIndexOf(' ', width)
    const at = blank > 0 ? blank : width
    lines.push(rest.slice(0, at).trimEnd())
    rest = rest.slice(blank > 0 ? at + 1 : at)
  }
  lines.push(rest)
  return lines
}
