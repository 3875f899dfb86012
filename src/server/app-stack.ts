/** Where in the app did it go wrong? What an app's own code threw, as its author wants to see it. */

import { inspect } from 'node:util'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Lines of a stack that lead through this package or through Node itself: nobody can mend those there. */
const PACKAGE = new URL('..', import.meta.url)
const FOREIGN_LINE = new RegExp(
  String.raw`^\s+at .*(?:\bnode:|${escaped(PACKAGE.href)}|${escaped(fileURLToPath(PACKAGE))})`,
)

/** What was thrown, with its stack, its causes and its properties; the lines of the stack are those of the app. */
export function appStack(error: unknown): string {
  return inspect(error)
    .split('\n')
    .filter((line) => !FOREIGN_LINE.test(line))
    .join('\n')
}

/** What was thrown, in one line without a full stop. */
export function summaryOf(error: unknown): string {
  return textOf(error).split('\n', 1)[0]!.replace(/\.$/, '')
}

/** A value that has no text, such as an object without a prototype, is inspected instead. */
function textOf(error: unknown): string {
  try {
    return String(error)
  } catch {
    return inspect(error)
  }
}

/** The place in the app where it was thrown, as ` (app.js:3)`; empty where it is not known. */
export function placeOf(error: unknown): string {
  const stack = error instanceof Error ? String(error.stack) : ''
  for (const line of stack.split('\n')) {
    const [, url, path, number] =
      /(?:(file:\/\/\/[^\s()]+?)|(?<![\w:/.-])((?:\/|[A-Za-z]:[\\/])[^\s():]+)):(\d+)/.exec(line) ?? []
    const file = url === undefined ? path : fileURLToPath(url)
    if (file === undefined || FOREIGN_LINE.test(line)) continue
    return ` (${relative(process.cwd(), file)}:${number})`
  }
  return ''
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)
}
