/**
 * Which headers of a Response that `fetch` gave are true of its body? Node's `fetch` undoes `Content-Encoding` and leaves
 * the header, and the length of what was encoded: whoever hands such a Response on would call a text gzip, and promise a
 * length that it has not, so that its end is taken for the next answer. Deno takes both headers out by itself.
 */

/** What Node's `fetch` undoes: all of a list, or nothing where one is not among them. */
const DECODED: ReadonlySet<string> = new Set(['gzip', 'x-gzip', 'deflate', 'br', ...(decodesZstd() ? ['zstd'] : [])])

/** Headers that tell of a body as it came. */
const OF_ENCODED: ReadonlySet<string> = new Set(['content-encoding', 'content-length'])

/**
 * The names of the headers that a Response has and that do not tell of its body; none for a Response that the app has
 * made. Those that came without a body are no other: what HEAD is told is what GET would be.
 */
export function untrueHeaders({ url, headers }: Response): ReadonlySet<string> {
  if (url === '' || versions()?.bun !== undefined) return NONE // only `fetch` gives one; that of Bun may be told not to decode
  const codings = headers.get('content-encoding')
  if (codings === null) return NONE
  return codings.split(',').every((coding) => DECODED.has(coding.trim().toLowerCase())) ? OF_ENCODED : NONE
}

const NONE: ReadonlySet<string> = new Set()

function versions(): Readonly<Record<string, string | undefined>> | undefined {
  return (globalThis as { readonly process?: { readonly versions?: Record<string, string> } }).process?.versions
}

/** Since undici 7.11, where Node has zstd itself. */
function decodesZstd(): boolean {
  const { undici = '', zstd } = versions() ?? {}
  const [major = 0, minor = 0] = undici.split('.').map(Number)
  return zstd !== undefined && (major > 7 || (major === 7 && minor >= 11))
}
