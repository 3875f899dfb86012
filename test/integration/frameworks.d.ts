/**
 * What the framework tests use of Express and Koa, which ship no types of their own.
 */

declare module 'express' {
  import type { IncomingMessage, Server, ServerResponse } from 'node:http'

  interface Request extends IncomingMessage {
    readonly ip: string
    readonly protocol: string
    readonly host: string
    readonly hostname: string
    readonly originalUrl: string
    readonly baseUrl: string
  }

  interface Response extends ServerResponse {
    json(body: unknown): void
  }

  interface Router {
    (req: IncomingMessage, res: ServerResponse): void
    get(path: string, handler: (req: Request, res: Response) => unknown): this
    use(path: string, router: Router): this
    use(middleware: (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void): this
  }

  interface Application extends Router {
    set(name: 'trust proxy', value: boolean | number | string): this
    listen(port: number, host: string): Server
  }

  export function Router(): Router
  export default function express(): Application
}

declare module 'koa' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  interface Context {
    readonly ip: string
    readonly protocol: string
    readonly host: string
    readonly hostname: string
    readonly href: string
    readonly URL: URL
    body: unknown
  }

  export default class Koa {
    constructor(options: { proxy: boolean })
    use(middleware: (ctx: Context) => Promise<void>): this
    callback(): (req: IncomingMessage, res: ServerResponse) => Promise<void>
  }
}
