/**
 * Which properties are read of an object by those who only want to know what it is? `await`, test runners and
 * consoles ask everything they are handed; an error for that would hide the one that somebody is looking for.
 */

const PROBES: ReadonlySet<PropertyKey> = new Set([
  'then', // await, Promise.resolve, return from an async function
  'asymmetricMatch', // Vitest and Jest, of both sides of a comparison
  '$$typeof', // their printers
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
