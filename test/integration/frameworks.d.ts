/**
 * What the framework tests use of packages that ship no types of their own.
 */

declare module 'express' {
  import type { IncomingMessage, Server, ServerResponse } from 'node:http'

  interface Request extends IncomingMessage {
    readonly ip: string
    readonly protocol: string
    readonly secure: boolean
    readonly host: string
    readonly hostname: string
    readonly url: string
    readonly originalUrl: string
    readonly baseUrl: string
    /** What `json()` has parsed. */
    readonly body?: unknown
    readonly path: string
    get(header: string): string | undefined
  }

  interface Response extends ServerResponse {
    json(body: unknown): void
  }

  type Middleware = (req: Request, res: Response, next: (error?: unknown) => void) => void

  interface Router {
    (req: IncomingMessage, res: ServerResponse): void
    get(path: string, handler: (req: Request, res: Response) => unknown): this
    post(path: string, handler: (req: Request, res: Response) => unknown): this
    use(path: string, router: Router): this
    use(path: string, handler: (req: IncomingMessage, res: ServerResponse, next: () => void) => unknown): this
    use(middleware: Middleware): this
  }

  interface Application extends Router {
    set(name: 'trust proxy', value: boolean | number | string): this
    listen(port: number, host: string): Server
  }

  export function Router(): Router
  export function json(): Middleware
  export default function express(): Application
}

declare module 'express4' {
  export { default, Router } from 'express'
}

declare module 'connect' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  interface App {
    (req: IncomingMessage, res: ServerResponse): void
    use(middleware: (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void): this
    use(path: string, app: App): this
  }

  export default function connect(): App
}

declare module 'polka' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  interface Polka {
    use(...middleware: ((req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void)[]): this
    get(pattern: string, handler: (req: IncomingMessage, res: ServerResponse) => void): this
    handler(req: IncomingMessage, res: ServerResponse): void
  }

  export default function polka(): Polka
}

declare module 'koa' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  interface Context {
    readonly ip: string
    readonly protocol: string
    readonly secure: boolean
    readonly host: string
    readonly hostname: string
    readonly url: string
    readonly href: string
    readonly URL: URL
    readonly cookies: { set(name: string, value: string): void }
    readonly req: IncomingMessage
    body: unknown
  }

  export default class Koa {
    constructor(options?: { proxy: boolean; maxIpsCount?: number })
    use(middleware: (ctx: Context) => Promise<void>): this
    callback(): (req: IncomingMessage, res: ServerResponse) => Promise<void>
  }
}

declare module 'restify' {
  import type { IncomingMessage, Server, ServerResponse } from 'node:http'

  interface Request extends IncomingMessage {
    isSecure(): boolean
    href(): string
  }

  interface Response extends ServerResponse {
    json(body: unknown): void
  }

  type Handler = (req: Request, res: Response, next: (error?: unknown) => void) => void

  interface RestifyServer {
    readonly server: Server
    pre(...handlers: Handler[]): this
    use(...handlers: Handler[]): this
    get(path: string, handler: Handler): void
  }

  export function createServer(): RestifyServer
}

declare module 'morgan' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  type Token = (req: IncomingMessage, res: ServerResponse) => string | undefined

  export default function morgan(
    format: string | ((tokens: Record<string, Token>, req: IncomingMessage, res: ServerResponse) => void),
    options: { immediate?: boolean; stream?: { write(line: string): unknown } },
  ): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void
}

declare module 'express-session' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export default function session(options: {
    secret: string
    resave: boolean
    saveUninitialized: boolean
    cookie: { secure: 'auto' }
    proxy?: boolean
  }): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void
}

declare module 'cookie-session' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export default function cookieSession(options: {
    keys: string[]
  }): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void
}

declare module 'cors' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export default function cors(
    options:
      | { origin: string }
      | ((req: IncomingMessage, callback: (error: null, options: { origin: string | false }) => void) => void),
  ): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void
}
