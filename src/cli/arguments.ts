/** What was typed after a command? Options and what is left, with every mistake told in a sentence. */

import { parseArgs } from 'node:util'
import { nearest } from '../trust/nearest.ts'
import { UsageError } from './usage-error.ts'

/** An option: its one-letter form, and whether it may come more than once. Every option but a flag has a value. */
export interface OptionShape {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
}

/** The options of a command, by their long names. */
export type OptionShapes = ReadonlyMap<string, OptionShape>

export interface Arguments {
  /** Each value of each option that was typed, in order; a flag has `''`. */
  readonly options: ReadonlyMap<string, readonly string[]>
  readonly positionals: readonly string[]
}

/** @throws UsageError for an unknown option, a missing or superfluous value, or one option typed twice. */
export function readArguments(args: readonly string[], shapes: OptionShapes): Arguments {
  const { tokens, positionals } = parseArgs({
    args: attachNumbers(args, shapes),
    options: Object.fromEntries(shapes),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const options = new Map<string, string[]>()
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const { name, rawName, value } = token
    const shape = shapes.get(name)
    if (shape === undefined) throw new UsageError(unknownOption(rawName, name, shapes))
    if (shape.type === 'boolean' && value !== undefined) throw new UsageError(`The option ${rawName} takes no value.`)
    if (shape.type === 'string' && value === undefined) throw new UsageError(`The option ${rawName} needs a value.`)
    const values = options.get(name) ?? []
    if (values.length > 0 && shape.multiple !== true) throw new UsageError(`The option ${rawName} was given twice.`)
    options.set(name, [...values, value ?? ''])
  }
  return { options, positionals }
}

/** `--x-for -1` is a bad value, not an option named -1: say so where the value is judged. */
function attachNumbers(args: readonly string[], shapes: OptionShapes): string[] {
  const attached: string[] = []
  for (let index = 0; index < args.length; index++) {
    const name = args[index]!
    const value = args[index + 1]
    const takesValue = name.startsWith('--') && shapes.get(name.slice(2))?.type === 'string'
    if (takesValue && value !== undefined && /^-\d/.test(value)) {
      attached.push(`${name}=${value}`)
      index++
    } else attached.push(name)
  }
  return attached
}

function unknownOption(rawName: string, name: string, shapes: OptionShapes): string {
  if (shapes.has('bind') && (name === 'port' || name === 'p'))
    return `There is no option ${rawName}: write -b :PORT for every interface, or -b HOST:PORT.`
  const near = nearest(name, [...shapes.keys()])
  return `There is no option ${rawName}: ${near === undefined ? 'try --help.' : `did you mean --${near}?`}`
}
