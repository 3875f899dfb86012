/** How does a library tell an operator something once? As a process warning where there is a process. */

interface Process {
  emitWarning(message: string, options: { type: string; code: string }): void
}

export function warn(message: string, code: string): void {
  const { process } = globalThis as { process?: Partial<Process> }
  if (typeof process?.emitWarning === 'function') process.emitWarning(message, { type: 'ProxyFixWarning', code })
  else console.warn(`${code}: ${message}`)
}
