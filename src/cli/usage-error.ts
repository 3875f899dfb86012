/** A mistake on the command line: its message is all that the person sees. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
