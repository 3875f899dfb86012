/**
 * What does a source file import? Found by its text alone (TypeScript 7 has no compiler API), which Prettier
 * keeps regular: every `import` and `export … from` begins a line; its list of names may take several. In what is built
 * one may follow the other's semicolon.
 */

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

const NAMES = String.raw`(?:[\w$]+\s*,\s*)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})|[\w$]+`
const STATEMENT = new RegExp(
  String.raw`(?:^|;)[ \t]*(?:import|export)\s*(type\s+)?(?:(?:${NAMES})\s*from\s*)?(['"])(.+?)\2`,
  'gm',
)
const DYNAMIC = /\bimport\s*\(\s*(['"`])(.+?)\1/g
const COMMENT_LINES = /^[ \t]*(?:\/\/|\/?\*).*$/gm

/**
 * @returns Each import once: where it points, whether the compiler erases it, and whether it is loaded when it is asked
 * for (`import()`) instead of before. Only `import type` and
 * `export type` are erased; `import { type A }` still loads the module, since `verbatimModuleSyntax` is on.
 */
export function importsOf(source) {
  const code = source.replace(COMMENT_LINES, '')
  return [
    ...[...code.matchAll(STATEMENT)].map(([, type, , specifier]) => ({
      specifier,
      typeOnly: type !== undefined,
      isLate: false,
    })),
    ...[...code.matchAll(DYNAMIC)].map(([, , specifier]) => ({ specifier, typeOnly: false, isLate: true })),
  ]
}

/**
 * @param entry The path of a built file.
 * @returns What an import of it loads: the paths of our own files with their code, and the names of other modules.
 */
export function loadedBy(entry) {
  const files = new Map()
  const modules = new Set()
  const visit = (path) => {
    if (files.has(path)) return
    const code = readFileSync(path, 'utf8')
    files.set(path, code)
    for (const { specifier, isLate } of importsOf(code)) {
      if (isLate) continue
      if (specifier.startsWith('.')) visit(resolve(dirname(path), specifier))
      else modules.add(specifier)
    }
  }
  visit(entry)
  return { files, modules }
}
