/**
 * What does a CommonJS module export? Node shows the object as `default`, and beside it the names that it could guess from the
 * text. To its author the members of the object are the exports, however they came there.
 */

import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isHandler } from '../middleware/handler.ts'
import { isFrameworkApp } from './framework-app.ts'
import type { Exports } from './import-module.ts'

const { cache } = createRequire(import.meta.url)

/** The exports as the author of the module sees them; those of an ES module as they are. */
export function authoredExports(exports: Exports, file: string): Exports {
  const { default: whole } = exports
  if (whole === undefined || cache[realpathSync(file)]?.exports !== whole) return exports
  if (!isPlain(whole) || isHandler(whole) || isFrameworkApp(whole)) {
    const { 'module.exports': _, ...names } = exports // which is the same again
    return names
  }
  // As they are, getters too, and without what every object has by birth.
  return Object.create(null, Object.getOwnPropertyDescriptors(whole)) as Exports
}

/** Whether an object only holds what is exported. */
function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
