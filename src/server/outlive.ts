/** What goes wrong around a server that serves, and does not end it? */

/** Lines for a standard error that nobody reads any more are lost; by default they would end the process. */
export function outliveReaders(): void {
  process.stderr.on('error', () => undefined)
}

/**
 * Shows what the app throws where nobody can catch it, in a timer or an event of its own, and goes on: a request that
 * provokes it must not end those of others.
 * @param then Is called after each.
 */
export function outliveErrors(then: () => void = () => undefined): void {
  process.on('uncaughtException', (error) => {
    console.error('The app threw what nobody caught:', error)
    then()
  })
}
