/** Is an option of a ready-made rewriter misspelt? An option that is silently ignored protects nobody. */

import { fail, show } from '../../trust/error.ts'
import { nearest } from '../../trust/nearest.ts'

export function checkOptionNames(owner: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    fail(`The options of ${owner} must be an object, not ${show(options)}.`)
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    fail(
      `${owner} has no option ${name}: ${near === undefined ? `it has ${known.join(', ')}.` : `did you mean ${near}?`}`,
    )
  }
}
