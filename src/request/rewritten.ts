/**
 * What has a rewriter put in place before `proxyFix`, where a Fetch Request has no room for it? The other end of the
 * connection, and where the app is mounted. A Node request shows both by itself.
 */

import type { Client } from '../trust/connection.ts'

const REWRITTEN = Symbol.for('proxyfix.rewritten')

/** What a Fetch Request cannot show. */
export interface Rewritten {
  /** Who is connected, as far as the app is told. */
  readonly client?: Client | undefined
  /** Where the app is mounted, and the target that the client typed. */
  readonly mount?: { readonly path: string; readonly publicTarget: string } | undefined
}

const NOTHING: Rewritten = {}

export function rewrittenOf(request: object): Rewritten {
  return (request as { [REWRITTEN]?: Rewritten })[REWRITTEN] ?? NOTHING
}

export function noteRewritten(request: object, rewritten: Rewritten): void {
  ;(request as { [REWRITTEN]?: Rewritten })[REWRITTEN] = rewritten
}
