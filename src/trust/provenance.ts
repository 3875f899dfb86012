/**
 * What does an adapter know of a request beside its facts? Facts show what was received, without the secret, and a
 * peer without an address may be on a unix socket or anybody. Who decides or explains once more on the facts of a fixed
 * request (`connectionInfo(request).original`) must come to the same end, so this travels with their headers.
 */

/** What the facts themselves do not show. */
export interface Provenance {
  /** Whether the request held the secret, which was taken away. */
  readonly isProven?: boolean | undefined
  /** Whether a peer without an address may be anybody, where else it is taken to be on a unix socket. */
  readonly isPeerUnknown?: boolean | undefined
  /** Why the request cannot be judged. */
  readonly flaw?: string | undefined
}

const NOTHING: Provenance = {}
const notes = new WeakMap<object, Provenance>()

/** Notes what is known of the facts that have these headers. */
export function noteProvenance(headers: object, provenance: Provenance): void {
  notes.set(headers, provenance)
}

export function provenanceOf({ headers }: { readonly headers: object }): Provenance {
  return notes.get(headers) ?? NOTHING
}
