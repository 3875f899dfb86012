/** What is shown of what an app threw: the lines of its own, and nothing twice. */

import { describe, expect, it } from 'vitest'
import { appStack, stackBeside } from '../../../src/server/app-stack.ts'

/** An error with this stack, and these properties. */
function error(message: string, frames: readonly string[], properties: object = {}, cause?: Error): Error {
  const lines = [`Error: ${message}`, ...frames.map((frame) => `    at ${frame}`)]
  const made = cause === undefined ? new Error(message) : new Error(message, { cause })
  return Object.assign(made, { stack: lines.join('\n') }, properties)
}

const OURS = 'load (/app/app.js:3:7)'
const NODES = ['wrapSafe (node:internal/modules/cjs/loader:1:2)', 'node:internal/main/run_main:1:2']

describe('the stack of an app', () => {
  it.each([
    ['without properties', error('no', [OURS, ...NODES]), ['Error: no', `    at ${OURS}`]],
    [
      'with properties, in whole braces',
      error('no', [OURS, ...NODES], { code: 'E', at: { port: 5 } }),
      ['Error: no', `    at ${OURS} {`, "  code: 'E',", '  at: { port: 5 }', '}'],
    ],
    [
      'with properties, where the last line stays',
      error('no', [...NODES, OURS], { code: 'E' }),
      ['Error: no', `    at ${OURS} {`, "  code: 'E'", '}'],
    ],
    ['without the properties where nothing of it is the app', error('no', NODES, { code: 'E' }), ['Error: no']],
    [
      'with a cause, whatever there is around it',
      error('no', NODES, { code: 'E' }, error('why', [OURS, ...NODES], { code: 'F' })),
      ['Error: no {', "  code: 'E',", '  [cause]: Error: why', `      at ${OURS} {`, "    code: 'F'", '  }', '}'],
    ],
    [
      'with a cause of Node',
      error('no', [OURS], {}, error('why', NODES, { code: 'F' })),
      ['Error: no', `    at ${OURS} {`, '  [cause]: Error: why', '}'],
    ],
  ])('is shown %s', (_, thrown, lines) => {
    expect(appStack(thrown).split('\n')).toStrictEqual(lines)
  })

  it('is shown with several causes of Node', () => {
    const thrown = new AggregateError([error('a', NODES, { code: 'E' }), error('b', NODES, { code: 'F' })], 'none')
    thrown.stack = 'AggregateError: none\n    at node:net:1:2'
    expect(appStack(thrown)).toBe('AggregateError: none {\n  [errors]: [\n    Error: a\n    Error: b\n  ]\n}')
  })

  it('is shown without lines that only count others', () => {
    const inner = [OURS, 'run (/app/a.js:1:1)', 'run (/app/b.js:1:1)', 'run (/app/c.js:1:1)', 'run (/app/d.js:1:1)']
    const thrown = error('no', ['main (/app/main.js:1:1)', ...inner.slice(1)], {}, error('why', inner))
    expect(appStack(thrown)).not.toContain('lines matching')
  })
})

describe('beside a sentence', () => {
  const sentence = 'app.js could not be loaded: Error: no.'

  it.each([
    ['nothing, where there is no cause', undefined, undefined],
    ['nothing, where it would say the same', error('no', NODES, { code: 'E' }), undefined],
    ['nothing, where it ends in a full stop of its own', error('no.', NODES, { code: 'E' }), undefined],
    ['the lines of the app', error('no', [OURS, ...NODES]), `Error: no\n    at ${OURS}`],
    ['what the sentence leaves out', error('no\nnor that', NODES), 'Error: no\nnor that'],
  ])('stands %s', (_, cause, shown) => {
    expect(stackBeside({ message: sentence, cause })).toBe(shown)
  })
})
