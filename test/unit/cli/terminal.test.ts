/** How a table is drawn for what it goes to. */

import { expect, it } from 'vitest'
import { tableOptionsFor } from '../../../src/cli/terminal.ts'

it.each([
  { is: 'a pipe', output: {}, env: {}, gives: { width: 80, color: false } },
  { is: 'a terminal', output: { isTTY: true, columns: 100 }, env: {}, gives: { width: 100, color: true } },
  { is: 'a narrow terminal', output: { isTTY: true, columns: 44 }, env: {}, gives: { width: 44, color: true } },
  { is: 'a wide terminal', output: { isTTY: true, columns: 400 }, env: {}, gives: { width: 120, color: true } },
  { is: 'a terminal of no width', output: { isTTY: true, columns: 0 }, env: {}, gives: { width: 80, color: true } },
  { is: 'NO_COLOR', output: { isTTY: true, columns: 80 }, env: { NO_COLOR: '1' }, gives: { width: 80, color: false } },
  {
    is: 'NO_COLOR=0',
    output: { isTTY: true, columns: 80 },
    env: { NO_COLOR: '0' },
    gives: { width: 80, color: false },
  },
  {
    is: 'an empty NO_COLOR',
    output: { isTTY: true, columns: 80 },
    env: { NO_COLOR: '' },
    gives: { width: 80, color: true },
  },
  {
    is: 'a dumb terminal',
    output: { isTTY: true, columns: 80 },
    env: { TERM: 'dumb' },
    gives: { width: 80, color: false },
  },
])('$is gets $gives', ({ output, env, gives }) => {
  expect(tableOptionsFor(output, env)).toStrictEqual(gives)
})
