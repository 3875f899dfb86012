/** Is a section run by itself? Then it measures and prints its own tables. */

import { argv } from 'node:process'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { tables } from './table.mjs'

/**
 * Measures and prints, if the module is the one that was started: `node bench/decide.mjs [--quick]`.
 *
 * @param url `import.meta.url` of the module.
 */
export async function runAlone(url, measure) {
  if (url !== pathToFileURL(argv[1]).href) return
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
  console.log(tables(await measure(values)))
}
