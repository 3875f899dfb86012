/** Is code with line breaks the same code, and does its map lead where it led? */

import { SourceMap, type SourceMapping } from 'node:module'
import { runInNewContext } from 'node:vm'
import { minifySync, parseSync } from 'rolldown/utils'
import { describe, expect, it } from 'vitest'
import { breakLines } from '../../../scripts/lib/line-breaks.mjs'

/** Whatever a line break in a wrong place would change, or end; its last expression tells what it did. */
const SOURCE = `#!/usr/bin/env node
'use strict'
const told = []
const tell = (...values) => { told.push(...values); return values[0] }
const text = 'é😀—'; let zwei = \`;}\n{ \${[1, 2].map((n) => { tell(n); return n + 1 })} ;\n\n}\`, drei = "a;b}c\\n"
class Base { static made = 0; constructor(name) { this.name = name; Base.made++ } }
class Grüße extends Base {
  #secret = text; get; set; static; async; static of = (name) => new this(name)
  static { tell('block'); tell(this.name) }
  get secret() { return this.#secret } static get kind() { return 'kind' } static async *many() { yield 1; yield 2 }
  *[Symbol.iterator]() { yield this.name; yield* [this.#secret, , 'end'] }
  'quoted name'() { return } async later() { await 0; return 1 }
}
function comma(a) { return tell('first'), tell(a), [a, , { get b() { return a }, async c() {}, *d() {}, 'e': (1, 2), ...zwei }] }
function nothing() { return
  comma(1) }
label: for (let i = 0, j = 9; i < j; i++, j--) { if (i > 2) break label; else if (i === 1) continue; tell(i); do tell('do'); while (i > 5) tell(j) }
switch (text.length) { case 4: tell('four'); case 5: { tell('five'); break } default: tell('never') }
try { throw tell('thrown, and caught again'), new Error('é') } catch ({ message }) { tell(message) } finally { tell(typeof nothing()) }
if (drei) tell('yes'); else tell('no')
var one = 1, two = one
++one
;[two, one] = [one, two]
;(() => { tell(one, two) })()
;/b}c/.test(drei) && tell('matched')
tell(...new Grüße('name'), Grüße.of('other').secret, Grüße.kind, Base.made, zwei, JSON.stringify(comma(drei)))
JSON.stringify(told)
`

const { code, map } = minifySync('source.js', SOURCE, {
  module: false,
  compress: false,
  mangle: false,
  codegen: { removeWhitespace: true },
  sourcemap: true,
})
const mappings = map!.mappings

/** Without where its parts stand. */
const treeOf = (text: string): string =>
  JSON.stringify(parseSync('built.js', text).program, (key, value: unknown) =>
    key === 'start' || key === 'end' ? undefined : value,
  )

/** Line and column of each character but line breaks, with the place in the source that they lead to. */
function placesIn(text: string, of: string): { character: string; sameLine: boolean; place: unknown }[] {
  const sourceMap = new SourceMap({ ...map!, mappings: of, version: 3, file: '', sourceRoot: '' } as never)
  return text.split('\n').flatMap((line, row) =>
    [...line.matchAll(/./gsu)].map(({ 0: character, index }) => {
      const found = sourceMap.findEntry(row, index) as SourceMapping
      const place = [found.originalSource, found.originalLine, found.originalColumn]
      return { character, sameLine: found.generatedLine === row, place }
    }),
  )
}

describe.each([0, 40, 120])('lines of %d characters', (width) => {
  const broken = breakLines(code, mappings, width)

  it('are more, and have all that was there', () => {
    expect(broken.code.split('\n').length).toBeGreaterThan(code.split('\n').length + 1000 / (width + 50))
    expect(broken.code.replaceAll('\n', '')).toBe(code.replaceAll('\n', ''))
    expect(broken.code).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  it('are the same program, which does the same', () => {
    expect(treeOf(broken.code)).toBe(treeOf(code))
    const did = runInNewContext(broken.code.slice(broken.code.indexOf('\n'))) as string
    expect(did).toBe(runInNewContext(code.slice(code.indexOf('\n'))))
    expect(did).toContain('matched')
  })

  it('lead to the same places in the source', () => {
    const places = placesIn(broken.code, broken.mappings)
    expect(places).toStrictEqual(placesIn(code, mappings))
    expect(new Set(places.map(({ place }) => String(place))).size).toBeGreaterThan(200)
  })
})

const numbers = Array.from({ length: 50 }, (_, index) => index)
const each = (write: (number: number) => string, between = ''): string => numbers.map(write).join(between)

it.each([
  { name: 'statements', long: each((n) => `a${n}();`) },
  { name: 'functions', long: each((n) => `function a${n}(){}`) },
  { name: 'statements in a function', long: `function a(){${each((n) => `a${n}();`)}}` },
  { name: 'statements in a block', long: `if(a){${each((n) => `a${n}();`)}}` },
  { name: 'statements in a static block', long: `class A{static{${each((n) => `a${n}();`)}}}` },
  { name: 'statements in a case', long: `switch(a){case 1:${each((n) => `a${n}();`)}}` },
  { name: 'cases', long: `switch(a){${each((n) => `case ${n}:`)}}` },
  { name: 'members', long: `class A{${each((n) => `a${n}=1;static b${n}(){}`)}}` },
  { name: 'properties', long: `a({${each((n) => `a${n}:1`, ',')}})` },
  { name: 'elements', long: `a([${each((n) => `a${n}`, ',')}])` },
  { name: 'declarations', long: `let ${each((n) => `a${n}=1`, ',')}` },
  { name: 'expressions', long: `a(),${each((n) => `a${n}()`, ',')}` },
  { name: 'imports', long: `import{${each((n) => `a${n}`, ',')}}from"a"` },
  { name: 'exports', long: `export{${each((n) => `a as a${n}`, ',')}}from"a"` },
])('breaks long lists of $name', ({ long }) => {
  const { code: broken } = breakLines(long, '', 60)
  const lengths = broken.split('\n').map((line) => line.length)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(60)
  expect(Math.min(...lengths.slice(1, -1))).toBeGreaterThan(30)
  expect(treeOf(broken)).toBe(treeOf(long))
})

describe('the map of a();b();c()', () => {
  it.each([
    { name: 'has a segment where each line begins', before: 'AAAA,IAAI,IAAI', after: 'AAAA;AAAI;AAAI' },
    { name: 'repeats the one before elsewhere', before: 'AAAA,GAAG,EAAE,IAAI', after: 'AAAA,GAAG;AAAA,CAAE;AAAA,CAAI' },
    { name: 'repeats the last one', before: 'AAAA', after: 'AAAA;AAAA;AAAA' },
    { name: 'repeats one that leads nowhere', before: 'AAAA,G', after: 'AAAA,G;A;A' },
    { name: 'repeats none where none is', before: 'KAAA', after: ';CAAA;AAAA' },
    { name: 'stays empty', before: '', after: ';;' },
  ])('$name', ({ before, after }) => {
    expect(breakLines('a();b();c()', before, 0)).toStrictEqual({ code: 'a();\nb();\nc()', mappings: after })
  })
})

it('fills a line, and breaks where the next statement would make it too long', () => {
  expect(breakLines('a();b();c()', '', 8).code).toBe('a();b();\nc()')
  expect(breakLines('a();b();c()', '', 7).code).toBe('a();\nb();c()')
})

it.each(['\u2028', '\u2029', '\r'])('says that it cannot take code with %j in it', (end) => {
  expect(() => breakLines(`a=\`${end}\``, '', 120)).toThrow(/^What was built has U\+2028, .* in it: write /)
})

it('says that it cannot read what is no code', () => {
  expect(() => breakLines('a b', '', 120)).toThrow(/^What was built cannot be parsed: /)
})
