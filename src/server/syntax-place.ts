/**
 * Where in the app is the syntax wrong? Node tells so of CommonJS and of TypeScript in the stack, and of ES modules, the one
 * that was asked for or one that it imports, only as it dies of them. So another Node is asked to do that: it reads the
 * modules, one after the other, and runs nothing of them.
 */

import { fileURLToPath, pathToFileURL } from 'node:url'
import { askNode } from './ask-node.ts'

/**
 * Dies of the first module, as near to the app as can be, that is wrong in the way of the message. What a module imports
 * is found by its look: to have read a file in vain costs nothing.
 */
const DIE_OF_IT = String.raw`
  import fs from 'node:fs'
  import module from 'node:module'
  import { fileURLToPath } from 'node:url'
  import { SourceTextModule } from 'node:vm'

  const [, app, message] = process.argv
  const urls = new Set([app])
  for (const url of urls) {
    let source
    try {
      source = fs.readFileSync(fileURLToPath(url), 'utf8')
      if (/\.[cm]?ts$/.test(url)) source = module.stripTypeScriptTypes(source)
    } catch {
      continue
    }
    try {
      new SourceTextModule(source, { identifier: fileURLToPath(url) })
    } catch (error) {
      if (error.message === message) throw error
    }
    for (const [, , name] of source.matchAll(/\b(?:from|import|require)\s*\(?\s*(['"])(.+?)\1/g)) {
      try {
        urls.add(import.meta.resolve(name, url))
      } catch {}
    }
  }
`

/** What Node puts in front of a stack: the place, some lines, and marks below what is wrong; none where the file ends too early. */
const PLACE = /^((?:file:\/\/|\/|[A-Za-z]:\\).+):(\d+)\n(?:(?:.*\n)*?([ \t]*)\^+\n|.*\n([ \t]*)\n)/

/** Puts the place in front of the stack, as `file:line:column` with its line, when it is the syntax of a module that is wrong. */
export function placeSyntaxError(error: unknown, app: string): void {
  if (!(error instanceof SyntaxError)) return
  const { stack = '' } = error
  error.stack = PLACE.test(stack) ? withColumn(stack) : withColumn(dyingOf(error, app)) + stack
}

/** What another Node says as it dies of the same; nothing when it does not. */
function dyingOf({ message }: SyntaxError, app: string): string {
  const flags = ['--experimental-vm-modules', '--experimental-import-meta-resolve']
  const { stderr } = askNode(DIE_OF_IT, { flags, args: [pathToFileURL(app).href, message] })
  return PLACE.exec(stderr)?.[0] ?? ''
}

/** The column is where the marks begin. */
function withColumn(text: string): string {
  return text.replace(PLACE, (before: string, place: string, line: string, marked?: string, ended?: string) => {
    const indent = marked ?? ended ?? ''
    const path = place.startsWith('file://') ? fileURLToPath(place) : place
    return `${path}:${line}:${indent.length + 1}${before.slice(`${place}:${line}`.length)}`
  })
}
