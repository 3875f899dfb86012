/** A mistake on the command line: its message is all that the person sees. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Tells the person something: standard output is for what was asked for. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
