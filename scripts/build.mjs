/**
 * What goes into dist/? Each file that package.json names there, made of the file of src/ of that name and all that it
 * imports, with what several of them share beside them; and types, as tsc tells them. Nothing stays from an earlier
 * build.
 *
 * A program that starts waits for every file that it loads, so these are few and short. Names of functions and classes
 * stay, as stacks and consoles show them; maps lead to src/, which is published too.
 */

import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { build } from 'rolldown'
import { breakLines } from './lib/line-breaks.mjs'
import { projectEnvironment, projectTool } from './lib/programs.mjs'
import { inProject } from './lib/project.mjs'
import { run } from './lib/run.mjs'

/** What commands and `proxyfix/auto` share: not all of them serve, and need all that a server is made of. */
const COMMON =
  /\/src\/(cli\/(arguments|flags|signals|trust-options|usage-error)|server\/(app-stack|environment|node|settings))\.ts$/

/** Enough for few lines and little enough for a terminal, which shows the line that throws. */
const LINE_WIDTH = 120

try {
  rmSync(inProject('dist'), { recursive: true, force: true })
  await declare()
  await bundle(entryPoints())
  chmodSync(inProject('dist', 'cli', 'main.js'), 0o755)
} catch (error) {
  // A failed build leaves no dist behind that looks like a good one.
  rmSync(inProject('dist'), { recursive: true, force: true })
  console.error(error.message)
  process.exitCode = 1
}

/** As in `cli/main`. */
function entryPoints() {
  const { exports, bin, sideEffects } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'))
  const named = [...Object.values(exports).map((entry) => entry.default), ...Object.values(bin), ...sideEffects]
  return new Set(named.map((path) => /^\.\/dist\/(.+)\.js$/.exec(path)?.[1]).filter(Boolean))
}

async function declare() {
  const args = ['-p', 'tsconfig.build.json', '--noEmitOnError']
  const { ok } = await run(projectTool('tsc'), args, { env: projectEnvironment(), show: true })
  if (!ok) throw new Error('The build failed: see the errors of tsc above.')
}

async function bundle(names) {
  const keepNames = { function: true, class: true }
  await build({
    cwd: inProject(),
    input: Object.fromEntries([...names].map((name) => [name, inProject('src', `${name}.ts`)])),
    external: /^[^./]/, // Node's modules and npm's
    platform: 'neutral',
    preserveEntrySignatures: 'strict',
    transform: { target: 'node20.19' },
    treeshake: { moduleSideEffects: () => true }, // what package.json says of them is about dist/
    plugins: [{ name: 'line-breaks', generateBundle: (_, files) => breakLinesOf(files) }],
    output: {
      dir: inProject('dist'),
      chunkFileNames: 'shared/[name].js',
      codeSplitting: {
        // Each takes what it imports along, but for what one before it has.
        groups: [
          { name: 'core', test: /\/src\/(trust|request|middleware)\//, minShareCount: 2 },
          { name: 'common', test: COMMON },
          { name: 'server', test: /\/src\/server\//, minShareCount: 2 },
          { name: 'cli', test: /\/src\/cli\//, minShareCount: 2 },
        ],
      },
      minify: { compress: { keepNames }, mangle: { keepNames }, codegen: { removeWhitespace: true } },
      comments: { legal: false, annotation: true, jsdoc: false },
      sourcemap: true,
      sourcemapExcludeSources: true,
    },
    onLog(level, { message }) {
      throw new Error(`The build failed: ${message}`)
    },
  })
}

/** In all that is about to be written, minified by now. */
function breakLinesOf(files) {
  for (const chunk of Object.values(files).filter(({ type }) => type === 'chunk')) {
    const asset = files[chunk.sourcemapFileName]
    const map = JSON.parse(asset.source)
    const { code, mappings } = breakLines(chunk.code, map.mappings, LINE_WIDTH)
    chunk.code = code
    asset.source = JSON.stringify({ ...map, mappings })
  }
}
