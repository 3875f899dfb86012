/** What apps do by themselves where their framework does not help. */

/** Believes the leftmost value of a header before what the app saw itself. */
export function leftmost(header: string | string[] | null | undefined, seen: string): string {
  return String(header ?? seen)
    .split(',')[0]!
    .trim()
}

/** A host without its port. */
export function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '')
}
