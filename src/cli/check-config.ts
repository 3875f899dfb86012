/** Could it be served? All is looked at that a start needs, and nothing is opened, made or listened on. */

import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { checkTarget } from '../server/check-target.ts'
import type { CheckedOptions } from '../server/options.ts'
import type { Settings } from '../server/settings.ts'
import { ProxyFixError, type ProxyFixErrorCode, show } from '../trust/error.ts'

/** @throws ProxyFixError for the first thing that would stop a start. */
export async function checkConfig({ dev, pid }: Settings, { targets, accessLog }: CheckedOptions): Promise<void> {
  for (const target of targets) checkTarget(target)
  if (accessLog?.to !== undefined && accessLog.to !== '-')
    checkWritable('access log', accessLog.to, 'ERR_PROXYFIX_OPTION')
  if (pid !== undefined) checkWritable('pid file', pid, 'ERR_PROXYFIX_BIND')
  if (dev !== true) return
  const { refuseInProduction } = await import('../server/dev/production.ts')
  refuseInProduction(process.env)
}

/** @param code That of the start, which would fail as well. */
function checkWritable(what: string, path: string, code: ProxyFixErrorCode): void {
  const reason = whyNotWritable(path)
  if (reason === undefined) return
  throw new ProxyFixError(code, `The ${what} ${show(path)} cannot be written: ${reason}.`)
}

function whyNotWritable(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) return 'it is a folder'
  try {
    accessSync(found === undefined ? dirname(path) : path, constants.W_OK)
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // as Node throws it
    return code === 'ENOENT' ? 'the folder does not exist' : `this user may not (${code})`
  }
}
