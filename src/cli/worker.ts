/** What a worker of `proxyfix serve -w N` runs. Signals come first, as what reacts to them takes its time to load. */

import 'node:async_hooks' // as early as in main.ts
import { ignoreSignals } from '../server/workers/ignore-signals.ts'

ignoreSignals()
await import('./serve-worker.ts')
