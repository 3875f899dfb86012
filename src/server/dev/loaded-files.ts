/**
 * Which modules has the app loaded? Node tells its parent, for its own `--watch`, where this variable is set: not
 * documented, and so what is watched besides, not instead: without it changes in the folder are still seen.
 */

import { fileURLToPath } from 'node:url'

/** The environment that makes a child process report. */
export const REPORT_LOADED: Readonly<Record<string, string>> = { WATCH_REPORT_DEPENDENCIES: '1' }

/** The files that a message of a child reports; none where it is about something else. */
export function loadedFiles(message: unknown): readonly string[] {
  if (typeof message !== 'object' || message === null) return []
  const { 'watch:import': imported, 'watch:require': required } = message as Record<string, unknown>
  return [...textsOf(imported), ...textsOf(required)].flatMap((name) =>
    name.startsWith('file://') ? [fileURLToPath(name)] : name.startsWith('node:') ? [] : [name],
  )
}

function textsOf(list: unknown): readonly string[] {
  return Array.isArray(list) ? list.filter((item): item is string => typeof item === 'string') : []
}
