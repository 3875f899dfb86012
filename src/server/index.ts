/** The server's face: what `proxyfix/server` exports. */

export { type Bind, parseBind } from './bind.ts'
export { loadApp } from './load-app.ts'
export {
  type CloseOptions,
  createServer,
  type RunningServer,
  serve,
  type ServeOptions,
  type UnstartedServer,
} from './serve.ts'
