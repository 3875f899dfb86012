/** Where things are in the repository. */

import { fileURLToPath } from 'node:url'

/** The folder of package.json, without a slash at the end. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** The command-line program, as built by `build.ts`. */
export const program: string = `${root}/dist/cli/main.js`
