/**
 * Which of Node's modules wait until somebody needs them? Those that take long. An `import` of node:http reads all that it
 * exports, and so loads the classes of `fetch` and WebSockets, which no server needs: 33 ms of the processor with Node 24,
 * where `require` takes 3. TLS takes 9 more, HTTP/2 another 8, cryptography 4.
 */

import type * as Crypto from 'node:crypto'
import type * as Http from 'node:http'
import type * as Http2 from 'node:http2'
import type * as Https from 'node:https'
import { createRequire } from 'node:module'
import type * as Tls from 'node:tls'

const load = createRequire(import.meta.url)

/** Each is loaded when it is read for the first time. */
export const node = {
  get crypto(): typeof Crypto {
    return load('node:crypto') as typeof Crypto
  },
  get http(): typeof Http {
    return load('node:http') as typeof Http
  },
  get http2(): typeof Http2 {
    return load('node:http2') as typeof Http2
  },
  get https(): typeof Https {
    return load('node:https') as typeof Https
  },
  get tls(): typeof Tls {
    return load('node:tls') as typeof Tls
  },
}
