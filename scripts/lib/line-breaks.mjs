/**
 * How is code without white space shown where it throws? By its line, which would be the whole file: Node prints it before
 * an error that nobody caught. So a line ends where a statement, a member of a class or an element of a list would make it
 * long. What stands before one of these has come to its end already, so that a line break changes nothing.
 */

import { parseSync, Visitor } from 'rolldown/utils'

/** 6 bits each: the lowest 5 of a number before the higher ones, and whether more of them follow. */
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** What ends a line as well, and is no line break in what this writes. */
const OTHER_LINES = /[\r\u2028\u2029]/

/** Its first number, and what follows that. */
const SEGMENT = /^([g-z0-9+/]*[A-Za-f])(.*)$/

/**
 * @param code As rolldown writes it: its line breaks are `\n`, also those in templates.
 * @param mappings Those of its source map.
 * @param width What a line may have, unless one statement or element has more.
 * @throws for code with line ends of another kind, which maps count as well.
 * @returns Both, with more lines. Each part of the code leads to the same place in the source as before.
 */
export function breakLines(code, mappings, width) {
  if (OTHER_LINES.test(code)) {
    throw new Error('What was built has U+2028, U+2029 or a carriage return in it: write String.fromCodePoint(0x2028).')
  }
  const lines = ['']
  const breaks = [[]] // for each line as it was, the columns where others begin
  let column = 0 // in the line as it was
  for (const piece of piecesOf(code)) {
    const [first, ...others] = piece.split('\n')
    if (lines.at(-1) !== '' && lines.at(-1).length + first.length > width) {
      lines.push('')
      breaks.at(-1).push(column)
    }
    lines.push(lines.pop() + first, ...others)
    breaks.push(...others.map(() => []))
    column = others.at(-1)?.length ?? column + first.length
  }
  const mapped = mappings.split(';').map((segments, index) => breakSegments(segments, breaks[index]))
  return { code: lines.join('\n'), mappings: mapped.join(';') }
}

/** The code, cut wherever a line may begin. */
function piecesOf(code) {
  const { program, errors } = parseSync('built.js', code)
  if (errors.length > 0) throw new Error(`What was built cannot be parsed: ${errors[0].message}`)
  const starts = []
  const before = (nodes) => starts.push(...nodes.filter((node) => node !== null).map(({ start }) => start))
  // Not before the first: what stands there may be a `return`, which ends where its line does.
  const between = (nodes) => before(nodes.slice(1))
  new Visitor({
    Program: ({ body }) => before(body),
    BlockStatement: ({ body }) => before(body),
    StaticBlock: ({ body }) => before(body),
    ClassBody: ({ body }) => before(body),
    SwitchStatement: ({ cases }) => before(cases),
    SwitchCase: ({ consequent }) => before(consequent),
    ObjectExpression: ({ properties }) => before(properties),
    ArrayExpression: ({ elements }) => before(elements),
    ImportDeclaration: ({ specifiers }) => before(specifiers),
    ExportNamedDeclaration: ({ specifiers }) => before(specifiers),
    VariableDeclaration: ({ declarations }) => between(declarations),
    SequenceExpression: ({ expressions }) => between(expressions),
  }).visit(program)
  starts.sort((one, other) => one - other)
  return [0, ...starts].map((start, index) => code.slice(start, starts[index]))
}

/**
 * @param segments Those of one line. Each begins with its column, counted from the segment before it or else from the start
 *   of the line; what follows is counted from earlier lines as well, and stays.
 * @param breaks The columns where lines are to begin.
 */
function breakSegments(segments, breaks) {
  const lines = [[]]
  let from = 0 // what the next column is counted from
  let again // leads where the segment before it does
  const breakUntil = (column) => {
    while (breaks[lines.length - 1] <= column) {
      from = breaks[lines.length - 1]
      lines.push(from < column && again !== undefined ? [again] : [])
    }
  }
  let column = 0
  for (const segment of segments === '' ? [] : segments.split(',')) {
    const [, first, place] = SEGMENT.exec(segment)
    column += decoded(first)
    breakUntil(column)
    lines.at(-1).push(encoded(column - from) + place)
    from = column
    again = place === '' ? 'A' : 'AAAA'
  }
  breakUntil(Infinity)
  return lines.map((line) => line.join(',')).join(';')
}

/** Columns only grow from segment to segment, so the lowest bit, the sign, is never set. */
function decoded(text) {
  return [...text].reduceRight((sum, digit) => sum * 32 + (DIGITS.indexOf(digit) & 31), 0) >> 1
}

function encoded(number) {
  let bits = number << 1
  let text = ''
  for (; bits > 31; bits >>= 5) text += DIGITS[(bits & 31) + 32]
  return text + DIGITS[bits]
}
