/** The middleware that people put in front of their routes on Connect, Express and all that is made like them. */

import type { IncomingMessage } from 'node:http'
import cookieSession from 'cookie-session'
import cors from 'cors'
import { ipKeyGenerator, rateLimit } from 'express-rate-limit'
import expressSession from 'express-session'
import morgan from 'morgan'
import { pinoHttp } from 'pino-http'
import type { Report } from '../framework-suite.ts'
import { type ConnectMiddleware, passOn } from './running.ts'

/** What the middleware leaves on a request. */
export interface SeenRequest extends IncomingMessage {
  morganLine?: string
  rateLimit?: { readonly key: string }
  session?: Record<string, unknown>
  originalUrl?: string
  baseUrl?: string
}

/** All of `MIDDLEWARE`, of which each app says that it uses them. */
export const MIDDLEWARE = ['morgan', 'pino-http', 'express-rate-limit', 'cors'] as const

/** Both are looked for in `req.session`, so an app has one. */
export type SessionKind = 'express-session' | 'express-session that trusts any proxy' | 'cookie-session'

interface Own {
  /** What express-rate-limit is told to count by, where the framework has no `req.ip`. */
  readonly address?: (req: IncomingMessage) => string
  /** The scheme that the app takes a request for. */
  readonly protocol: (req: SeenRequest) => string
}

export function middlewareWith(session: SessionKind, { address, protocol }: Own): readonly ConnectMiddleware[] {
  return [
    // As it is called when the request comes in, what it writes can be reported with it.
    morgan(
      (tokens, req, res) => {
        ;(req as SeenRequest).morganLine = `${tokens['remote-addr']!(req, res)} ${tokens.url!(req, res)}`
      },
      { immediate: true },
    ),
    pinoHttp({ autoLogging: false }, { write: () => undefined }) as ConnectMiddleware,
    // Only pages of the app's own origin may read what it answers.
    cors((req, callback) => {
      const own = `${protocol(req)}://${req.headers.host}`
      callback(null, { origin: req.headers.origin === own && own })
    }),
    rateLimit({
      limit: 1000,
      // It would say that X-Forwarded-For came and `trust proxy` is off, which is as it should be.
      validate: false,
      ...(address !== undefined && { keyGenerator: (req: unknown) => ipKeyGenerator(address(req as IncomingMessage)) }),
    }) as unknown as ConnectMiddleware,
    session === 'cookie-session'
      ? cookieSession({ keys: ['not a secret'] })
      : expressSession({
          secret: 'not a secret',
          resave: false,
          saveUninitialized: true,
          cookie: { secure: 'auto' },
          ...(session === 'express-session that trusts any proxy' && { proxy: true }),
        }),
    session === 'cookie-session' ? useSession : passOn,
  ]
}

/** An empty session is not sent. */
function useSession(req: SeenRequest, _res: unknown, next: () => void): void {
  if (req.session !== undefined) req.session.items = 1
  next()
}

/** What the middleware saw. */
export function seen(req: SeenRequest): Pick<Report, 'rateLimitKey' | 'logged'> {
  // Not `req.log`, which restify has as well.
  const { remoteAddress, url } = req.allLogs[0]!.bindings().req as { remoteAddress: string; url: string }
  return {
    rateLimitKey: req.rateLimit?.key,
    logged: { morgan: req.morganLine ?? '', 'pino-http': `${remoteAddress} ${url}` },
  }
}
