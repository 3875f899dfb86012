/**
 * Which properties are read of an object by those who only want to know what it is? `await`, test runners and
 * consoles ask everything they are handed; an error for that would hide the one that somebody is looking for.
 *
 * They list its keys as well where they print it, and convert it where they are told to (`%d`). So does an app, and an
 * empty list would be taken for an empty object: that is a use.
 */

const PROBES: ReadonlySet<PropertyKey> = new Set([
  'then', // await, Promise.resolve, return from an async function
  'asymmetricMatch', // Vitest and Jest, of both sides of a comparison
  'nodeType', // the same
  '$$typeof', // their printers
  '@@__IMMUTABLE_ITERABLE__@@',
  '@@__IMMUTABLE_RECORD__@@',
  'toJSON', // the same; JSON itself goes on to what is a use
  'constructor',
  'inspect',
  Symbol.toStringTag,
  Symbol.for('nodejs.util.inspect.custom'),
  Symbol.for('Deno.customInspect'),
  Symbol.for('chai/inspect'),
])

export function isProbe(key: PropertyKey): boolean {
  return PROBES.has(key)
}
