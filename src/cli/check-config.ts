/** Could it be served? All is looked at that a start needs, and nothing is opened, made or listened on. */

import { checkTarget } from '../server/check-target.ts'
import type { CheckedOptions } from '../server/options.ts'
import { checkPidFile } from '../server/pid-file.ts'
import type { Settings } from '../server/settings.ts'
import { checkWritable } from '../server/writable.ts'

/** @throws ProxyFixError for the first thing that would stop a start. */
export async function checkConfig({ dev, pid }: Settings, { targets, accessLog }: CheckedOptions): Promise<void> {
  for (const target of targets) checkTarget(target)
  if (accessLog?.to !== undefined && accessLog.to !== '-') checkWritable('access log', accessLog.to)
  if (pid !== undefined) checkPidFile(pid)
  if (dev !== true) return
  const { refuseInProduction } = await import('../server/dev/production.ts')
  refuseInProduction(process.env)
}
