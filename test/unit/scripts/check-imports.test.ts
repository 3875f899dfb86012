/** Can the check of the dependency direction fail? Once for each rule, and never on a house in order. */

import { describe, expect, it } from 'vitest'
import { violationsIn } from '../../../scripts/lib/dependency-direction.mjs'

const cases: { name: string; files: Record<string, string>; violations: string[] }[] = [
  {
    name: 'a house in order has no violation',
    files: {
      'src/index.ts': "export { wrap } from './middleware/wrap.ts'\nexport type { List } from './trust/list.ts'",
      'src/cli/main.ts': "#!/usr/bin/env node\nimport { serve } from '../server/serve.ts'",
      'src/server/serve.ts': "import http from 'node:http'\nimport { scope } from '../context/scope.ts'",
      'src/context/scope.ts': "import { AsyncLocalStorage } from 'node:async_hooks'",
      'src/middleware/wrap.ts': "import { fix } from '../request/node.ts'",
      'src/request/node.ts': "import type { IncomingMessage } from 'node:http'\nimport '../trust/list.ts'",
      'src/trust/list.ts': "import ipaddr from 'ipaddr.js'\nimport parse from 'forwarded-parse'",
    },
    violations: [],
  },
  {
    name: 'an import upwards',
    files: { 'src/request/node.ts': "import { proxyFix } from '../middleware/proxy-fix.ts'" },
    violations: ['src/request/node.ts imports src/middleware/proxy-fix.ts, but request may import trust alone.'],
  },
  {
    name: 'an import upwards, for its types, over several lines',
    files: { 'src/trust/list.ts': "import type {\n  A,\n  B,\n} from '../request/node.ts'" },
    violations: ['src/trust/list.ts imports src/request/node.ts, but trust imports nothing else of ours.'],
  },
  {
    name: 'context from anywhere but server',
    files: { 'src/middleware/wrap.ts': "export * as scope from '../context/scope.ts'" },
    violations: [
      'src/middleware/wrap.ts imports src/context/scope.ts, but middleware may import request, trust alone.',
    ],
  },
  {
    name: 'of middleware, context takes what wraps handlers, and no more',
    files: {
      'src/context/wrap.ts':
        "import { wrapHandler } from '../middleware/handler.ts'\nimport { proxyFix } from '../middleware/proxy-fix.ts'",
    },
    violations: [
      'src/context/wrap.ts imports src/middleware/proxy-fix.ts, but context may import src/middleware/handler.ts, request, trust alone.',
    ],
  },
  {
    name: 'the face of the package from inside it',
    files: { 'src/server/serve.ts': "import { proxyFix } from '../index.ts'" },
    violations: [
      'src/server/serve.ts imports src/index.ts, but server may import context, middleware, request, trust alone.',
    ],
  },
  {
    name: 'the package by its own name',
    files: { 'src/request/node.ts': "import { serve } from 'proxyfix/server'" },
    violations: ['src/request/node.ts imports proxyfix/server, but a file of the package names its path.'],
  },
  {
    name: 'Node in trust, for its types too',
    files: { 'src/trust/list.ts': "import type { Socket } from 'node:net'" },
    violations: ['src/trust/list.ts imports node:net, but trust knows no runtime.'],
  },
  {
    name: 'another npm package in trust',
    files: { 'src/trust/list.ts': "import addr from 'proxy-addr'" },
    violations: ['src/trust/list.ts imports proxy-addr, but trust takes ipaddr.js and forwarded-parse alone from npm.'],
  },
  {
    name: 'Node behind the main entry',
    files: {
      'src/index.ts': "export { wrap } from './middleware/wrap.ts'",
      'src/middleware/wrap.ts': "import {\n  type Server,\n} from 'http'",
    },
    violations: ['The main entry needs http at runtime: src/index.ts → src/middleware/wrap.ts → http.'],
  },
  {
    name: 'Node behind the main entry, loaded late',
    files: { 'src/index.ts': "const later = () => import('node:fs')" },
    violations: ['The main entry needs node:fs at runtime: src/index.ts → node:fs.'],
  },
  {
    name: 'a circle, though one of its arrows is a type',
    files: {
      'src/trust/a.ts': "import { b } from './b.ts'",
      'src/trust/b.ts': "export const b = 1\nexport type { A } from './a.ts'",
    },
    violations: ['Files import in a circle: src/trust/a.ts → src/trust/b.ts → src/trust/a.ts.'],
  },
  {
    name: 'a file in no room',
    files: { 'src/utils/all.ts': '' },
    violations: [
      'src/utils/all.ts stands in no room of the house (trust, request, middleware, context, server, cli, index.ts, auto.ts).',
    ],
  },
  {
    name: 'an example in a comment is no import',
    files: { 'src/trust/list.ts': "/**\n * import http from 'node:http'\n */\n// import net from 'node:net'" },
    violations: [],
  },
]

describe('the dependency direction', () => {
  it.each(cases)('$name', ({ files, violations }) => {
    expect(violationsIn(files)).toEqual(violations)
  })
})
