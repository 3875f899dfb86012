/** Could a file be written, as far as that can be seen without doing it? */

import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ProxyFixError, show } from '../trust/error.ts'

/**
 * @param what The file, as sentences call it.
 * @param cwd Where its path begins.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, saying why it could not.
 */
export function checkWritable(what: string, path: string, cwd: string = process.cwd()): void {
  const reason = whyNotWritable(resolve(cwd, path))
  if (reason === undefined) return
  throw new ProxyFixError('ERR_PROXYFIX_OPTION', `The ${what} ${show(path)} cannot be written: ${reason}.`)
}

function whyNotWritable(path: string): string | undefined {
  const folder = dirname(path)
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found?.isDirectory() === true) return 'it is a folder'
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return 'the folder does not exist'
    accessSync(found === undefined ? folder : path, constants.W_OK)
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // as Node throws it
    return code === 'ENOTDIR' ? 'the folder does not exist' : `this user may not (${code})` // which Node 20 throws here
  }
}
