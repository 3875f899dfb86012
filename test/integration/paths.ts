/** Where things are in the repository. */

import { fileURLToPath } from 'node:url'
import { loadedBy } from '../../scripts/lib/imports.mjs'

/** The folder of package.json, without a slash at the end. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** The command-line program, as built by `build.ts`. */
export const program: string = `${root}/dist/cli/main.js`

/** The files that these entry points load, as in `dist/index.js`: paths from the folder of package.json. */
export function builtFilesOf(...entries: readonly string[]): string[] {
  const paths = entries.flatMap((entry) => [...loadedBy(`${root}/dist/${entry}.js`).files.keys()])
  return [...new Set(paths)].map((path) => path.slice(root.length + 1))
}
