/** What does the other end of standard output take? A terminal has a width and colours; a file or a pipe has neither. */

import type { TableOptions } from '../trust/explanation-table.ts'

/** What is read of `process.stdout`. */
interface Output {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

const USUAL_WIDTH = 80
/** Lines that are much longer than this are hard to follow. */
const MAX_WIDTH = 120

/** How to draw for it (https://no-color.org for the variable). */
export function tableOptionsFor(output: Output, environment: NodeJS.ProcessEnv): Required<TableOptions> {
  if (output.isTTY !== true) return { width: USUAL_WIDTH, color: false }
  const color = !environment['NO_COLOR'] && environment['TERM'] !== 'dumb'
  return { width: Math.min(output.columns || USUAL_WIDTH, MAX_WIDTH), color } // 0 where the terminal does not tell
}
