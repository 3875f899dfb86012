/** What was typed after a command? Options and what is left, with every mistake told in a sentence. */

import { parseArgs } from 'node:util'
import { nearest } from '../trust/nearest.ts'
import { UsageError } from './usage-error.ts'

/** An option: its one-letter form, and whether it may come more than once. Every option but a flag has a value. */
export interface OptionShape {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** What people call it who know it from elsewhere: not taken, but a hint is given. Lower case, letters only. */
  readonly aliases?: readonly string[]
}

/** The options of a command, by their long names. */
export type OptionShapes = ReadonlyMap<string, OptionShape>

export interface Arguments {
  /** Each value of each option that was typed, in order; a flag has `''`. */
  readonly options: ReadonlyMap<string, readonly string[]>
  readonly positionals: readonly string[]
}

/**
 * @param elsewhere What to say of an option that people know from elsewhere, by its name without hyphens; a clause.
 * @throws UsageError for an unknown option, a missing or superfluous value, or one option typed twice.
 */
export function readArguments(
  args: readonly string[],
  shapes: OptionShapes,
  elsewhere: (name: string) => string | undefined = () => undefined,
): Arguments {
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options: Object.fromEntries(shapes),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const options = new Map<string, string[]>()
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const shape = shapes.get(name)
    if (/^-[^-]/.test(rawName) && inlineValue === true && value.startsWith('=') && shape?.type === 'string') {
      throw new UsageError(`The option ${rawName} takes its value without '=': write ${rawName} ${value.slice(1)}.`)
    }
    if (shape === undefined) throw new UsageError(unknownOption(rawName, name, shapes, elsewhere(name)))
    if (shape.type === 'boolean' && value !== undefined) throw new UsageError(`The option ${rawName} takes no value.`)
    // Another option is not its value: the value of `--trust $PROXIES --json` is missing when that variable is empty.
    const isMissing = value === undefined || (inlineValue === false && isOption(value))
    if (shape.type === 'string' && isMissing) throw new UsageError(`The option ${rawName} needs a value.`)
    const values = options.get(name) ?? []
    if (values.length > 0 && shape.multiple !== true) throw new UsageError(`The option ${rawName} was given twice.`)
    options.set(name, [...values, value ?? ''])
  }
  return { options, positionals }
}

/** `--x-for -1` is a bad value, not an option named -1: say so where the value is judged. A dash alone is no option. */
function isOption(text: string): boolean {
  return /^-[^\d]/.test(text)
}

function unknownOption(rawName: string, name: string, shapes: OptionShapes, here: string | undefined): string {
  if (here !== undefined) return `There is no option ${rawName}: ${here}.`
  return `There is no option ${rawName}: ${ADDRESS_NAMES.has(name) ? 'try --help.' : (nameHint(name, shapes) ?? 'try --help.')}`
}

/** Nearest to how servers take an address is an option that believes a header, which is not what is meant. */
const ADDRESS_NAMES: ReadonlySet<string> = new Set(['port', 'p', 'host'])

function nameHint(name: string, shapes: OptionShapes): string | undefined {
  const plain = name.toLowerCase().replaceAll(/[_-]/g, '')
  const [alias] = [...shapes].find(([, { aliases }]) => aliases?.includes(plain)) ?? []
  const near = alias ?? nearest(name, [...shapes.keys()])
  return near === undefined ? undefined : `did you mean --${near}?`
}
