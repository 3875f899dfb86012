/** What does `MODULE[:EXPORT | :FACTORY(literal arguments)]` say? Text in, parts out: no file is looked at. */

import { ProxyFixError } from '../trust/error.ts'
import { readLiterals } from './literal.ts'

/** A spec, taken apart. */
export interface AppSpec {
  /** The module, as it was written. */
  readonly path: string
  /** The names that lead to the export, `['apps', 'admin']` for `apps.admin`. Absent: the usual ones are tried. */
  readonly names?: readonly string[]
  /** What to call it with. Absent: it is not written as a call. */
  readonly args?: readonly unknown[]
}

const NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u

/**
 * Takes a spec apart.
 * @throws ProxyFixError `ERR_PROXYFIX_APP`, saying what was wrong and how to write it.
 */
export function parseAppSpec(spec: string): AppSpec {
  // A colon before a slash or a backslash is a drive's (C:\app.js), or that of file://.
  const [, path = '', target] = /^(.*?)(?::(?![\\/])(.*))?$/s.exec(spec) ?? []
  if (path.trim() === '') refuse(`${quote(spec)} names no module: write MODULE or MODULE:EXPORT, as in app.js:app.`)
  if (target === undefined) return { path }

  const open = target.indexOf('(')
  const name = open === -1 ? target : target.slice(0, open)
  const names = name.split('.')
  if (!names.every((one) => NAME.test(one))) {
    refuse(
      `${quote(target)} in ${quote(spec)} is not the name of an export: write MODULE:EXPORT, as in app.js:app, or MODULE:FACTORY(…), as in app.js:createApp().`,
    )
  }
  return open === -1 ? { path, names } : { path, names, args: parseArguments(target.slice(open), spec) }
}

function parseArguments(call: string, spec: string): readonly unknown[] {
  const close = closingParenthesis(call)
  if (close === undefined) refuse(`The parenthesis in ${quote(spec)} is not closed: write it as in app.js:createApp().`)
  if (close < call.length - 1) {
    refuse(
      `After the call in ${quote(spec)} stands ${quote(call.slice(close + 1))}: a factory is called once, by its name, as in app.js:createApp().`,
    )
  }
  const read = readLiterals(call.slice(1, close))
  if ('values' in read) return read.values
  refuse(`The arguments in ${quote(spec)} cannot be read: ${read.reason}.`)
}

/** Where the first parenthesis is closed; those in strings do not count. */
function closingParenthesis(call: string): number | undefined {
  let depth = 0
  for (const { 0: token, index } of call.matchAll(/"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[()]/gs)) {
    if (token === '(') depth++
    else if (token === ')' && --depth === 0) return index
  }
  return undefined
}

function quote(text: string): string {
  return `'${text}'`
}

function refuse(message: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_APP', message)
}
