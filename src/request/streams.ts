/** What becomes of a body that nobody will read? */

/** Tells a stream that nobody will read it. What it says to that is nobody's concern, nor that another one reads it. */
export function letGo(stream: ReadableStream | null): void {
  stream?.cancel().catch(() => undefined)
}
