/** How does a library tell an operator something? Once, as a process warning where there is a process. */

interface Process {
  emitWarning(message: string, options: { type: string; code: string }): void
}

const told = new Set<string>()

/** Warns once for each code: what clients can provoke must not flood a log. */
export function reportOnce(code: string, message: string): void {
  if (told.has(code)) return
  told.add(code)
  report(code, message)
}

/** Warns. */
export function report(code: string, message: string): void {
  const { process } = globalThis as { process?: Partial<Process> }
  if (typeof process?.emitWarning === 'function') process.emitWarning(message, { type: 'ProxyFixWarning', code })
  else console.warn(`${code}: ${message}`)
}
