/**
 * What does a source file import? Found by its text alone (TypeScript 7 has no compiler API), which Prettier
 * keeps regular: every `import` and `export … from` begins a line; its list of names may take several.
 */

const NAMES = String.raw`(?:[\w$]+\s*,\s*)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})|[\w$]+`
const STATEMENT = new RegExp(
  String.raw`^[ \t]*(?:import|export)\s*(type\s+)?(?:(?:${NAMES})\s*from\s*)?(['"])(.+?)\2`,
  'gm',
)
const DYNAMIC = /\bimport\s*\(\s*(['"])(.+?)\1/g
const COMMENT_LINES = /^[ \t]*(?:\/\/|\/?\*).*$/gm

/**
 * @returns Each import once: where it points, and whether the compiler erases it. Only `import type` and
 * `export type` are erased; `import { type A }` still loads the module, since `verbatimModuleSyntax` is on.
 */
export function importsOf(source) {
  const code = source.replace(COMMENT_LINES, '')
  return [
    ...[...code.matchAll(STATEMENT)].map(([, type, , specifier]) => ({ specifier, typeOnly: type !== undefined })),
    ...[...code.matchAll(DYNAMIC)].map(([, , specifier]) => ({ specifier, typeOnly: false })),
  ]
}
