/**
 * An explanation as a table for people. Much of its text was chosen by a client, and it ends up in a terminal: only
 * visible ASCII is shown as it is, so that no escape sequence, line break or invisible sign can draw what is not so.
 */

import type { Verdict } from './connection.ts'
import type { ExplainedDecision, ExplainedHop } from './explanation.ts'
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
  /** Whether it is never cut. */
  readonly whole?: boolean
}

type Row = readonly Cell[]

const MIN_WIDTH = 40
const GAP = 2
const SHORTEST = 4 // of a column that is cut
const LAST = 24 // of the last column, if it stands beside the others
const MOST_LINES = 8 // of a cell
const MOST_TEXT = 1000 // of a cell, whatever a client sends

/** Draws the table. */
export function explanationTable(explanation: ExplainedDecision, { width = 80, color = false }: TableOptions): string {
  const { info, peer, fields, hops, hopCount, otherCounts, warnings } = explanation
  const draw = new Drawing(Math.max(width, MIN_WIDTH), color)

  draw.title('Peer')
  draw.rows([
    [
      { text: clientText(peer) ?? 'no address', whole: true },
      peer.trusted
        ? { text: 'trusted', style: 'green', whole: true }
        : { text: 'not trusted', style: 'red', whole: true },
      { text: peer.reason },
    ],
  ])

  if (hops.length > 0) {
    const { header, setting } = fields[0]! // that of the client
    draw.title(otherCounts.length > 0 ? `${header}, from the right (${setting})` : `${header} (${setting})`)
    draw.rows(
      hops.map(({ place, text, role, reason }): Row => {
        const style = ROLE_STYLES[role]
        return [
          { text: String(place), style },
          { text: text || '(empty)', style },
          { text: reason, style },
        ]
      }),
    )
    if (hops.length < hopCount) draw.rows([[{ text: `and ${hopCount - hops.length} more`, style: 'dim' }]])
  }

  draw.title('Decision')
  draw.rows(
    fields.map(({ field, value, verdict, reason }): Row => {
      const style = VERDICT_STYLES[verdict]
      return [
        { text: LABELS[field], whole: true },
        { text: value || '(none)', style, whole: field === 'for' },
        { text: verdict, style, whole: true },
        { text: reason },
      ]
    }),
  )
  if (info.refusal !== undefined) {
    draw.rows([
      [{ text: `refused with ${info.refusal.status}`, style: 'red', whole: true }, { text: info.refusal.reason }],
    ])
  }

  if (peer.trusted && otherCounts.length > 0) {
    draw.title('With other hop counts for the client')
    draw.rows(
      otherCounts.map(({ hops: count, isSet, client, scheme, host, prefix, verdicts, refusal }): Row => {
        const style: Style = isSet ? 'bold' : 'plain'
        const verdict = isSet || verdicts.for !== 'trusted' ? verdicts.for : 'would be believed'
        const outcome = refusal === undefined ? verdict : `${verdict}, refused`
        return [
          { text: isSet ? '>' : '', style },
          { text: String(count), style },
          { text: client.address ?? client.node ?? '(none)', style, whole: true },
          { text: outcome, style, whole: true },
          { text: `${scheme}://${host ?? '(no host)'}${prefix}`, style },
        ]
      }),
    )
    draw.rows([[{ text: HIGHER, style: 'dim' }]])
  }

  if (warnings.length > 0) {
    draw.title('Warnings')
    draw.rows(warnings.map((text): Row => [{ text, style: 'yellow' }]))
  }
  return draw.text()
}

const ROLE_STYLES: Readonly<Record<ExplainedHop['role'], Style>> = {
  proxy: 'plain',
  client: 'green',
  ended: 'red',
  unread: 'dim',
}

const VERDICT_STYLES: Readonly<Record<Verdict, Style>> = {
  trusted: 'green',
  'not-configured': 'plain',
  'untrusted-peer': 'plain',
  absent: 'plain',
  short: 'red',
  empty: 'red',
  invalid: 'red',
}

const HIGHER =
  'A higher count is right only if your own proxies wrote that many values: further left stands what the client sent.'

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
    const widths: number[] = []
    const isWhole: boolean[] = []
    let last = 0
    for (const row of rows) {
      for (const [column, { text, whole = false }] of row.entries()) {
        const { length } = visible(text)
        if (column === row.length - 1) last = Math.max(last, length)
        else {
          widths[column] = Math.max(widths[column] ?? 0, length)
          isWhole[column] ||= whole
        }
      }
    }
    // The last column stands beside the others where there is room for it, else below them.
    const beside = Math.min(last, LAST)
    const kept = widths.reduce((sum, width, column) => sum + GAP + (isWhole[column] === true ? width : 0), GAP)
    const isStacked = kept + beside + SHORTEST * isWhole.filter((whole) => !whole).length > this.#width
    let room = this.#width - kept - (isStacked ? 0 : beside)
    // What is left is shared by the columns that may be cut: the narrow ones first, so that the wide ones have what
    // those leave.
    const cuttable = [...widths.keys()].filter((column) => isWhole[column] !== true)
    cuttable.sort((a, b) => widths[a]! - widths[b]!)
    for (const [index, column] of cuttable.entries()) {
      const share = Math.max(Math.floor(room / (cuttable.length - index)), SHORTEST)
      widths[column] = Math.min(widths[column]!, share)
      room -= widths[column]
    }
    for (const row of rows) this.#row(row, widths, isStacked)
  }

  text(): string {
    return this.#lines.join('\n')
  }

  #row(row: Row, widths: readonly number[], isStacked: boolean): void {
    let line = ' '.repeat(GAP)
    let column = GAP
    for (const [index, { text, style }] of row.slice(0, -1).entries()) {
      const width = Math.min(widths[index]!, this.#width - GAP - GAP)
      if (column + width > this.#width) {
        this.#lines.push(line.trimEnd())
        ;[line, column] = [' '.repeat(GAP + GAP), GAP + GAP]
      }
      const shown = cut(visible(text), width)
      line += this.#styled(shown, style) + ' '.repeat(width - shown.length + GAP)
      column += width + GAP
    }
    const last = row.at(-1)!
    if (isStacked && row.length > 1) {
      this.#lines.push(line.trimEnd())
      ;[line, column] = [' '.repeat(GAP + GAP), GAP + GAP]
    }
    const room = this.#width - column
    const [first = '', ...more] = wrapped(cut(visible(last.text), MOST_LINES * room), room)
    this.#lines.push((line + this.#styled(first, last.style)).trimEnd())
    for (const part of more) this.#lines.push(' '.repeat(column) + this.#styled(part, last.style))
  }

  #styled(text: string, style: Style = 'plain'): string {
    return this.#color && style !== 'plain' && text !== '' ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text
  }
}

/** Visible ASCII and single blanks as they are, anything else by its number: more blanks would look like a column's end. */
function visible(text: string): string {
  return text
    .slice(0, MOST_TEXT)
    .replaceAll(/[^\x20-\x7e]|(?<= ) /gu, (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`)
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 3)}...`
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
