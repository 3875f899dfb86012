/** How does a function see the response of a Node request before its head goes out? */

/** What is used of `http.ServerResponse` and of HTTP/2's. */
export interface HeadedResponse {
  readonly headersSent: boolean
  statusCode: number
  statusMessage?: string
  writeHead(status: number, ...rest: unknown[]): unknown
  setHeader(name: string, value: unknown): unknown
  removeHeader(name: string): unknown
  appendHeader?(name: string, value: unknown): unknown
}

export function isHeadedResponse(value: unknown): value is HeadedResponse {
  return typeof value === 'object' && value !== null && 'headersSent' in value && 'writeHead' in value
}

/**
 * Calls a function once, right before the head goes out: whoever sends it, `end` and `write` included, goes through
 * `writeHead`, whose arguments the response shows by then.
 */
export function beforeHead(response: HeadedResponse, fn: () => void): void {
  const { writeHead } = response
  const isOwn = Object.hasOwn(response, 'writeHead')
  response.writeHead = function (this: HeadedResponse, status, ...rest) {
    if (isOwn) response.writeHead = writeHead
    else Reflect.deleteProperty(response, 'writeHead')
    response.statusCode = status
    if (typeof rest[0] === 'string') response.statusMessage = rest[0]
    setHeaders(
      response,
      rest.find((argument) => typeof argument === 'object'),
    )
    fn()
    return Reflect.apply(writeHead, response, [response.statusCode])
  }
}

/** What `writeHead` takes: names and values in an object, in a flat array, or in an array of pairs. */
function setHeaders(response: HeadedResponse, headers: unknown): void {
  if (headers === undefined || headers === null) return
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value)
    return
  }
  const pairs: [string, unknown][] = Array.isArray(headers[0])
    ? (headers as [string, unknown][])
    : Array.from({ length: headers.length / 2 }, (_, index) => [headers[2 * index] as string, headers[2 * index + 1]])
  for (const [name] of pairs) response.removeHeader(name)
  for (const [name, value] of pairs) {
    if (response.appendHeader === undefined) response.setHeader(name, value)
    else response.appendHeader(name, value)
  }
}
