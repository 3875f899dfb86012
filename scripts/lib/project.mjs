/** Where is the project? Every path in the scripts begins here, so that they run from any folder. */

import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** The path of a file of the project. */
export function inProject(...parts) {
  return join(root, ...parts)
}
