/** How is a local emptied? */

import { fail, show } from '../trust/error.ts'

const releases = new WeakMap<object, () => void>()

/** Makes something releasable. */
export function isReleasedBy(local: object, release: () => void): void {
  releases.set(local, release)
}

/** Whether this is a `Local` or a `LocalStack`. */
export function isReleasable(local: unknown): boolean {
  return releases.has(local as object) // a WeakMap has nothing under what is no object
}

/**
 * Empties a `Local` or a `LocalStack` in the current scope. Rarely needed, as the values go with the scope.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for anything else.
 * @see Werkzeug's `release_local`.
 */
export function releaseLocal(local: object): void {
  const release = releases.get(local)
  if (release === undefined) fail(`releaseLocal takes a Local or a LocalStack, not ${show(local)}.`)
  release()
}
