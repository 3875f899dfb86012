/**
 * A terminal and a supervisor signal every process of a group: what is to be done, the listening one says. Called
 * before everything else is loaded, as whoever does not listen yet is ended.
 */

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTTIN', 'SIGTTOU', 'SIGUSR1', 'SIGUSR2'] as const

export function ignoreSignals(): void {
  for (const signal of SIGNALS) process.on(signal, () => undefined)
}
