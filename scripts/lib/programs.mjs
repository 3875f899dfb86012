/** Where is a program, and which one is meant: the machine's own, or the one that npm installed for the project? */

import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, join, sep } from 'node:path'
import { inProject } from './project.mjs'

/** Folders that a user's PATH may lack, though servers are installed there (Debian's nginx). */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

const toolFolder = inProject('node_modules', '.bin')

/** The machine's own program of that name: what npm puts before PATH for its scripts is left out. */
export function findProgram(name) {
  return [...machineFolders(), ...SYSTEM_FOLDERS].map((folder) => join(folder, name)).find(isProgram)
}

/** A program that came with `npm ci`, the pinned Node (`node`) among them. */
export function projectTool(name) {
  const path = join(toolFolder, name)
  if (!existsSync(path)) throw new Error(`The project's own ${name} is missing: run npm ci first.`)
  return path
}

/** The environment in which `node`, called by its name, is the machine's own. */
export function machineEnvironment() {
  return environment(machineFolders())
}

/** The environment in which `node`, called by its name, is the pinned one. */
export function projectEnvironment() {
  return environment([toolFolder, ...machineFolders()])
}

/** Tools colour what they print where CI is set, even into a file. */
function environment(folders) {
  const colour = process.stdout.isTTY ? {} : { NO_COLOR: '1' }
  return { ...process.env, ...colour, PATH: folders.join(delimiter) }
}

function machineFolders() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.filter((folder) => folder !== '' && !folder.endsWith(join('node_modules', '.bin')) && !isNpms(folder))
}

/** npm's own helper folder, which holds nothing that a person would call. */
function isNpms(folder) {
  return folder.split(sep).includes('node-gyp-bin')
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
