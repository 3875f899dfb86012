/**
 * How fast is it, beside every peer and the limit? Builds the package, measures, prints one table for each question, and
 * writes them to bench/results.md.
 *
 *     npm run bench [-- --quick] [-- SECTION...]
 *
 * With sections only these are measured, and of the file only these are replaced.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { inProject } from '../scripts/lib/project.mjs'
import { run } from '../scripts/lib/run.mjs'
import { say } from '../scripts/lib/say.mjs'
import { machine, versions } from './lib/machine.mjs'
import { results, sectionsOf } from './lib/results.mjs'
import { ensureBenchPackages } from './lib/system-packages.mjs'
import { tables } from './lib/table.mjs'

const SECTIONS = ['decide', 'fix', 'frameworks', 'context', 'stack', 'server', 'latency', 'start']
const OVER_HTTP = new Set(['frameworks', 'server', 'latency'])
const FILE = inProject('bench', 'results.md')

try {
  const { values, positionals } = parseArgs({
    options: { quick: { type: 'boolean', default: false } },
    allowPositionals: true,
  })
  const unknown = positionals.find((name) => !SECTIONS.includes(name))
  if (unknown !== undefined) throw new Error(`There is no section ${unknown}: name one of ${SECTIONS.join(', ')}.`)
  const wanted = SECTIONS.filter((name) => positionals.length === 0 || positionals.includes(name))
  say('building')
  const { ok, output } = await run(process.execPath, [inProject('scripts', 'build.mjs')])
  if (!ok) throw new Error(output.trim())
  if (wanted.some((name) => OVER_HTTP.has(name))) await ensureBenchPackages()
  await measureAll(wanted, values)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

async function measureAll(wanted, options) {
  const sections = existsSync(FILE) ? sectionsOf(readFileSync(FILE, 'utf8')) : new Map()
  for (const name of wanted) {
    say(`measuring: ${name}`)
    const { measure } = await import(`./${name}.mjs`)
    const text = tables(await measure(options))
    console.log(`\n${text}`)
    const how = `Measured on ${new Date().toISOString().slice(0, 10)}${options.quick ? ', quickly' : ''}: ${machine()}.`
    sections.set(name, `${how}\n\n${text}`)
    const inOrder = SECTIONS.filter((known) => sections.has(known)).map((known) => [known, sections.get(known)])
    writeFileSync(FILE, results(new Map(inOrder), versions()))
  }
}
