/**
 * What is a path prefix? The part of the public path that a proxy cut off before it passed the request
 * on (`X-Forwarded-Prefix`; WSGI's SCRIPT_NAME).
 *
 * It is put in front of every link and redirect that the app builds, so a prefix that a browser could
 * read as something else is an open redirect: `//evil.example` and `/\evil.example` are hosts,
 * `/app/..` climbs out, `?` and `#` end the path. Hence one leading `/`, then segments of unreserved or
 * percent-encoded characters (RFC 3986 §2.3), none of them empty, `.` or `..`, nothing encoded that
 * decodes to a slash, a backslash or a control (contract rule 6).
 */

const MAX_LENGTH = 1024

/** The prefix without its trailing slash, `''` for `/`; `undefined` when it is none. */
export function parsePrefix(text: string): string | undefined {
  const length = text.length
  if (length > MAX_LENGTH || text.charCodeAt(0) !== 0x2f) return undefined
  const end = text.charCodeAt(length - 1) === 0x2f ? length - 1 : length
  if (end === 0) return ''
  let segmentStart = 1
  let dots = 0 // characters of this segment that are a dot, encoded or not
  let characters = 0
  let encoded = false
  for (let index = 1; index <= end; index++) {
    let code = index === end ? 0x2f : text.charCodeAt(index)
    if (code === 0x2f /* / */) {
      if (index === segmentStart) return undefined
      if (dots === characters && dots <= 2) return undefined
      segmentStart = index + 1
      dots = characters = 0
      continue
    }
    if (code === 0x25 /* % */) {
      code = hexPair(text, index + 1, end)
      if (code === -1 || code < 0x20 || code === 0x7f || code === 0x2f || code === 0x5c) return undefined
      index += 2
      encoded = true
    } else if (!isUnreserved(code)) {
      return undefined
    }
    characters++
    if (code === 0x2e /* . */) dots++
  }
  if (encoded && !isDecodable(text)) return undefined
  return end === length ? text : text.slice(0, end)
}

/** A prefix that was received, not forwarded, is the platform's own word: it only loses trailing slashes. */
export function trimPrefix(text: string): string {
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === 0x2f) end--
  return text.slice(0, end)
}

function isUnreserved(code: number): boolean {
  const lower = code | 0x20
  if (lower >= 0x61 && lower <= 0x7a) return true
  if (code >= 0x30 && code <= 0x39) return true
  return code === 0x2d || code === 0x2e || code === 0x5f || code === 0x7e
}

/** Whether what is encoded is UTF-8 without controls of its own (U+0080 to U+009F), as routers decode it. */
function isDecodable(text: string): boolean {
  try {
    return !/[\u0080-\u009f]/.test(decodeURIComponent(text))
  } catch {
    return false
  }
}

function hexPair(text: string, at: number, end: number): number {
  if (at + 2 > end) return -1
  const pair = text.slice(at, at + 2)
  return /^[0-9a-f]{2}$/i.test(pair) ? Number.parseInt(pair, 16) : -1
}
