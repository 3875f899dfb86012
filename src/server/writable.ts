/** Could a file be written, as far as that can be seen without doing it? */

import { accessSync, constants, lstatSync, readlinkSync, statSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
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
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found?.isDirectory() === true) return 'it is a folder'
    const made = found === undefined ? madeFor(path) : path
    const folder = dirname(made)
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      return made === path ? NO_FOLDER : 'the folder that its link leads to does not exist'
    }
    accessSync(found === undefined ? folder : path, constants.W_OK)
    return undefined
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException // as Node throws it
    return REASONS[code] ?? `this user may not (${code})`
  }
}

/** Which file would be made, where there is none: that which a link leads to, or the link that it leads to. */
function madeFor(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return path
  const target = readlinkSync(path)
  // Not put together by resolve, as the folder may be a link too, and `..` means what is above where that leads.
  return madeFor(isAbsolute(target) ? target : `${dirname(path)}/${target}`)
}

const NO_FOLDER = 'the folder does not exist'

const REASONS: Readonly<Record<string, string>> = {
  ENOTDIR: NO_FOLDER, // which Node 20 throws
  ELOOP: 'its link leads to itself',
}
