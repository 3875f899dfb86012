/**
 * Do the arrows of the house point down only? `cli → server → middleware → request → trust`, with `context`
 * beside `middleware`; `trust` and the main entry free of Node, so that they run where there is none.
 */

import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { importsOf } from './imports.mjs'

/**
 * Each room with the rooms below it, or single files of another, which it may import. Files directly in src/ are rooms of
 * their own. `context` stands beside `middleware` and wraps handlers by the same functions, which know nothing of what they
 * wrap them for.
 */
const ROOMS = {
  trust: [],
  request: ['trust'],
  middleware: ['request', 'trust'],
  context: ['src/middleware/handler.ts', 'request', 'trust'],
  server: ['context', 'middleware', 'request', 'trust'],
  cli: ['server', 'middleware', 'request', 'trust'],
  'index.ts': ['middleware', 'request', 'trust'],
  'auto.ts': ['server', 'middleware', 'request', 'trust'],
}

const MAIN_ENTRY = 'src/index.ts'
const PACKAGES_OF_TRUST = ['ipaddr.js', 'forwarded-parse']

/**
 * @param files The source text of every file, by its path from the project's folder, as `src/trust/list.ts`.
 * @returns One sentence for each violation.
 */
export function violationsIn(files) {
  const graph = new Map(Object.entries(files).map(([file, source]) => [file, edgesOf(file, source)]))
  return [
    ...[...graph].flatMap(([file, edges]) => misplaced(file, edges)),
    ...runtimeOfMainEntry(graph),
    ...circles(graph),
  ]
}

/** An edge has a `file` if it stays in the project, else the `module` it names. */
function edgesOf(file, source) {
  return importsOf(source).map(({ specifier, typeOnly }) =>
    specifier.startsWith('.')
      ? { file: posix.join(posix.dirname(file), specifier), typeOnly }
      : { module: specifier, typeOnly },
  )
}

function misplaced(file, edges) {
  const room = roomOf(file)
  if (!Object.hasOwn(ROOMS, room)) return [`${file} stands in no room of the house (${Object.keys(ROOMS).join(', ')}).`]
  return edges.flatMap((edge) => {
    const complaint = edge.module === undefined ? upward(room, edge.file) : foreign(room, edge.module)
    return complaint === undefined ? [] : [`${file} imports ${edge.file ?? edge.module}, but ${complaint}.`]
  })
}

function roomOf(file) {
  return file.startsWith('src/') ? file.split('/')[1] : undefined
}

function upward(room, target) {
  const below = ROOMS[room]
  const targetRoom = roomOf(target)
  if (targetRoom === room || below.includes(targetRoom) || below.includes(target)) return undefined
  return below.length === 0 ? `${room} imports nothing else of ours` : `${room} may import ${below.join(', ')} alone`
}

function foreign(room, module) {
  if (module === 'proxyfix' || module.startsWith('proxyfix/')) return 'a file of the package names its path'
  if (room !== 'trust' || PACKAGES_OF_TRUST.includes(module)) return undefined
  return isBuiltin(module) ? 'trust knows no runtime' : `trust takes ${PACKAGES_OF_TRUST.join(' and ')} alone from npm`
}

/** What runs when the main entry is loaded may not need Node; types are erased and may name it. */
function runtimeOfMainEntry(graph) {
  const found = []
  const ways = new Map([[MAIN_ENTRY, [MAIN_ENTRY]]])
  for (const [file, way] of ways) {
    for (const { file: target, module, typeOnly } of graph.get(file) ?? []) {
      if (typeOnly) continue
      if (module !== undefined && isBuiltin(module))
        found.push(`The main entry needs ${module} at runtime: ${[...way, module].join(' → ')}.`)
      if (target !== undefined && !ways.has(target)) ways.set(target, [...way, target])
    }
  }
  return found
}

/** Type-only imports count here: files that cannot be told apart by reading are one file, erased or not. */
function circles(graph) {
  const found = []
  const done = new Set()
  const visit = (file, way) => {
    if (way.includes(file)) {
      found.push(`Files import in a circle: ${[...way.slice(way.indexOf(file)), file].join(' → ')}.`)
      return
    }
    if (done.has(file)) return
    for (const edge of graph.get(file) ?? []) if (edge.file !== undefined) visit(edge.file, [...way, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}
