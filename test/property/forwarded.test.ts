/**
 * Elements of RFC 7239 are read as `forwarded-parse` reads them, on every text that both take. It is a forward reader,
 * so a header that a client began is not for it (contract rule 9); what honest proxies write is. Known differences:
 * it lets the last of two equal parameters win, and refuses empty pairs and elements, `:` `[` `]` outside quotes, and
 * blanks at either end.
 */

import fc from 'fast-check'
import parse from 'forwarded-parse'
import { describe, expect, it } from 'vitest'
import { elementStart, type ForwardedElement, parseElement } from '../../src/trust/forwarded.ts'
import { forwardedElement, linesOf } from './facts.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

/** The elements as they are cut off from the right, the leftmost first. */
function elementsOf(text: string): (ForwardedElement | 'empty' | 'bad')[] {
  const elements: (ForwardedElement | 'empty' | 'bad')[] = []
  for (let end = text.length; end >= 0;) {
    const start = elementStart(text, end)
    elements.unshift(start === -1 ? 'bad' : parseElement(text, start, end))
    end = start - 1
  }
  return elements
}

function reference(text: string): ForwardedElement[] | undefined {
  try {
    return parse(text).map((element) => ({ for: element['for'], proto: element['proto'], host: element['host'] }))
  } catch {
    return undefined
  }
}

/** The text with nothing in its quoted strings, so that what is left is syntax. */
function syntaxOf(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\[\s\S])*"/g, '""')
}

function namesTwice(element: string): boolean {
  const names = [...element.matchAll(/([^;=\s]+)=/g)].map(([, name = '']) => name.toLowerCase())
  return new Set(names).size < names.length
}

// The characters of the grammar in any order, and legal elements with a few of them put in.
const piece = fc.constantFrom(
  'for',
  'proto',
  'host',
  'x',
  '=',
  ';',
  ',',
  '"',
  '\\',
  ' ',
  '\t',
  ':',
  '[',
  '10.0.0.1',
  '\xe9',
)
const text = fc.oneof(
  { weight: 3, arbitrary: linesOf(forwardedElement).map((lines) => lines.join(', ')) },
  { weight: 2, arbitrary: fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(forwardedElement, forwardedElement, piece, fc.nat({ max: 60 }))
      .map(([one, other, part, at]) => `${one.slice(0, at)}${part}${one.slice(at)},${other}`),
  },
)

describe('elements of Forwarded', () => {
  it(
    'are what forwarded-parse finds, where it takes the text',
    () => {
      fc.assert(
        fc.property(text, (header) => {
          const expected = reference(header)
          if (expected === undefined) return
          const twice = syntaxOf(header).split(',').map(namesTwice)
          expect(elementsOf(header)).toStrictEqual(expected.map((element, index) => (twice[index] ? 'bad' : element)))
        }),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'are taken where forwarded-parse takes them, but for the known differences',
    () => {
      fc.assert(
        fc.property(text, (header) => {
          const elements = elementsOf(header)
          if (elements.includes('bad') || elements.includes('empty')) return
          const syntax = syntaxOf(header)
          if (/[:[\]]|^[ \t]|[ \t]$|;[ \t]*(?:[;,]|$)|(?:^|,)[ \t]*;/.test(syntax)) return
          expect(reference(header)).toStrictEqual(elements)
        }),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )
})
