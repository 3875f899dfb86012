import { printable } from '../trust/error.ts'

/** A mistake on the command line: its message is all that the person sees. */
export class UsageError extends Error {
  override readonly name = 'UsageError'

  constructor(message: string) {
    super(printable(message))
  }
}

/** Tells the person something: standard output is for what was asked for. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
