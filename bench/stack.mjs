/**
 * What does a stack of five rewriters cost beside five nested functions that do the same by hand? What is by hand checks
 * nothing: neither what it assigns, nor who else sees it.
 *
 *     npm run bench -- stack
 */

import { HeaderRewriter, stack } from '../dist/index.js'
import { measureGroups } from './lib/micro.mjs'
import { behindProxy, requestMaker, responseTo } from './lib/node-requests.mjs'
import { runAlone } from './lib/section.mjs'

class Host extends HeaderRewriter {
  rewrite(request) {
    request.host = request.headers.get('x-forwarded-host')
  }
}

class Scheme extends HeaderRewriter {
  rewrite(request) {
    request.scheme = request.headers.get('x-forwarded-proto')
  }
}

class Tenant extends HeaderRewriter {
  rewrite(request) {
    request.headers.set('x-tenant', 'one')
  }
}

class Cookies extends HeaderRewriter {
  rewrite(request) {
    request.headers.delete('cookie')
  }
}

class Frames extends HeaderRewriter {
  rewriteResponse(response) {
    response.headers.set('x-frame-options', 'DENY')
  }
}

/** Each by hand as it is written in apps: in `headers` alone, which most code reads, and not in the other places. */
const byHand = [
  (next) => (req, res) => {
    req.headers.host = req.headers['x-forwarded-host']
    return next(req, res)
  },
  (next) => (req, res) => {
    req.scheme = req.headers['x-forwarded-proto']
    return next(req, res)
  },
  (next) => (req, res) => {
    req.headers['x-tenant'] = 'one'
    return next(req, res)
  },
  (next) => (req, res) => {
    delete req.headers.cookie
    return next(req, res)
  },
  (next) => (req, res) => {
    res.setHeader('x-frame-options', 'DENY')
    return next(req, res)
  },
]

const app = (req, res) => {
  res.writeHead(200, { 'content-length': 0 })
  return [req.headers.host, req.headers['x-tenant'], req.headers.cookie]
}
const HAND = 'five nested functions by hand'
const BARE = 'the request and its response, with a bare handler'

export const groups = {
  'Stack of five rewriters': async () => {
    const requestOf = await requestMaker()
    const call = (handler) => (lines) => {
      const req = requestOf(lines)
      return handler(req, responseTo(req))
    }
    return [
      { name: BARE, inputs: behindProxy, call: call(app) },
      {
        name: HAND,
        inputs: behindProxy,
        call: call(byHand.reduceRight((inner, wrap) => wrap(inner), app)),
        minus: BARE,
      },
      {
        name: 'stack(app, five rewriters)',
        inputs: behindProxy,
        call: call(stack(app, Host, Scheme, Tenant, Cookies, Frames)),
        minus: BARE,
        against: HAND,
      },
      {
        name: 'one of them',
        inputs: behindProxy,
        call: call(stack(app, Tenant)),
        minus: BARE,
        against: HAND,
      },
    ]
  },
}

export const measure = (options) => measureGroups(import.meta.url, groups, options)
await runAlone(import.meta.url, measure)
