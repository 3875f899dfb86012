/** Where in the app did it go wrong? What an app's own code threw, as its author wants to see it. */

import { inspect } from 'node:util'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Lines of a stack that lead through this package or through Node itself: nobody can mend those there. */
const PACKAGE = new URL('..', import.meta.url)
const FOREIGN_LINE = new RegExp(
  String.raw`^\s+at .*(?:\bnode:|${escaped(PACKAGE.href)}|${escaped(fileURLToPath(PACKAGE))})`,
)

const STACK_LINE = /^\s+at /
/** What Node writes for lines that two stacks share. */
const COUNTED_LINES = /^\s+\.\.\. \d+ lines matching /
/** A property that is another error, or several. */
const CAUSE = /^\s+\[(?:cause|errors)\]: /

/**
 * What was thrown, with its stack, its causes and its properties; the lines of the stack are those of the app. Where there are
 * none of those, the properties are Node's own (`code`, `path`), and its message has told of them.
 */
export function appStack(error: unknown): string {
  const shown: string[] = []
  const lines = inspect(error).split('\n')
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!
    if (!FOREIGN_LINE.test(line) && !COUNTED_LINES.test(line)) shown.push(line)
    else if (line.endsWith(' {')) {
      // The last line of a stack, behind which the properties begin.
      const last = shown.pop() ?? ''
      const closing = `${line.slice(4, line.length - line.trimStart().length)}}`
      const end = lines.findIndex((one, at) => at > index && one.startsWith(closing))
      const isTelling = end === -1 || STACK_LINE.test(last) || lines.slice(index, end).some((one) => CAUSE.test(one))
      shown.push(isTelling ? `${last} {` : last)
      if (!isTelling) index = end
    }
  }
  return shown.join('\n')
}

/** What there is to show of the cause of an error whose message has summed it up; nothing where that was all. */
export function stackBeside({
  message,
  cause,
}: {
  readonly message: string
  readonly cause?: unknown
}): string | undefined {
  if (cause === undefined) return undefined
  const stack = appStack(cause)
  return message.includes(stack.replace(/\.$/, '')) ? undefined : stack
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
