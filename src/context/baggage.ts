/**
 * How do variables get to another process? As W3C baggage, a text of names and values that goes along with a request, a
 * job or a message, and is set in a scope there.
 *
 * **Warning.** Whoever sends a request chooses its baggage. Take it from peers that you trust, which `connection.trusted`
 * tells, and put nothing into it that a third party must not read: it goes wherever requests go.
 */

import { fail, show } from '../trust/error.ts'
import { ContextVar } from './context-var.ts'
import { copyContext } from './copy-context.ts'
import { scopeToWrite } from './scope.ts'

/** A ContextVar that a text can be set in, as far as types go: of `string`, or of `unknown`. */
interface CarriedVariable {
  get(fallback: undefined): unknown
  // A property: the parameters of a method are not checked strictly, and a text would be set in a variable of numbers.
  readonly set: (value: string) => unknown
}

/** The variables to carry, by the names that they have on the way. */
export type CarriedVariables = Readonly<Record<string, CarriedVariable>>

/** W3C Baggage §3.3.2: what everyone has to carry, and more may be dropped. */
const MAX_MEMBERS = 64
const MAX_BYTES = 8192

/** W3C Baggage §3.3.1: a key is a token of HTTP. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** W3C Baggage §3.3.1: what a value is written with, of a member or of a property. */
const OCTETS = /^[!#-+\--:<-[\]-~]*$/

/** What the grammar lets through at all; of blanks only these two. */
const TEXT = /^[\t -~]*$/

const CONTROL = /\p{Cc}/u

/**
 * Variables that travel to other processes and back.
 *
 * @see https://www.w3.org/TR/baggage/
 */
export class ContextBaggage {
  readonly #variables: ReadonlyMap<string, CarriedVariable>

  /** @internal */
  constructor(variables: CarriedVariables) {
    this.#variables = new Map(Object.entries(variables))
  }

  /**
   * The values that are bound here, by name.
   * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for a value that is no text.
   */
  values(): Record<string, string> {
    const values: Record<string, string> = {}
    for (const [name, variable] of this.#variables) {
      const value = variable.get(undefined)
      if (value === undefined) continue
      if (typeof value !== 'string')
        fail(`The baggage ${name} is a text, not ${show(value)}: set the variable to String(…).`)
      values[name] = value
    }
    return values
  }

  /**
   * The values that are bound here, as a `baggage` header has them.
   * @param others A header to add them to; members of the same name are replaced.
   * @returns `''` when there is nothing to carry, for which no header should be sent.
   */
  header(others = ''): string {
    const own = Object.entries(this.values()).map(([name, value]) => `${name}=${encodeURIComponent(wellFormed(value))}`)
    const kept = membersOf(others).filter(({ name }) => !this.#variables.has(name))
    let header = ''
    for (const member of [...own, ...kept.map(({ text }) => text)].slice(0, MAX_MEMBERS)) {
      const longer = header === '' ? member : `${header},${member}`
      if (longer.length > MAX_BYTES) break
      header = longer
    }
    return header
  }

  /**
   * Sets the variables of a header in the current scope; what else it holds is ignored, and so are values with control
   * characters, which end up in logs and headers.
   * @throws ContextError outside any scope.
   */
  receive(header: string | null | undefined): void {
    this.set(Object.fromEntries(membersOf(header ?? '').map(({ name, value }) => [name, value])))
  }

  /**
   * Sets the variables of these names in the current scope, as if they had been received.
   * @throws ContextError outside any scope.
   */
  set(values: Readonly<Record<string, string | undefined>>): void {
    scopeToWrite('Baggage was received')
    for (const [name, variable] of this.#variables) {
      const value = Object.hasOwn(values, name) ? values[name] : undefined
      if (value !== undefined && !CONTROL.test(value)) variable.set(value)
    }
  }

  /** Calls a function in a scope of its own, where the variables have the values of a header: for a job or a message. */
  run<R>(header: string | null | undefined, fn: () => R): R {
    return copyContext().run(() => {
      this.receive(header)
      return fn()
    })
  }
}

/**
 * Chooses variables that travel to other processes.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for a name that baggage cannot have, or what is no ContextVar.
 * @example
 * const baggage = contextBaggage({ tenant: tenantVar })
 * fetch(url, { headers: { baggage: baggage.header() } })
 * if (connection.trusted) baggage.receive(request.headers.get('baggage')) // in the other process
 * @example
 * await queue.add('mail', { to, baggage: baggage.header() })
 * new Worker('mail', (job) => baggage.run(job.data.baggage, () => send(job.data.to)))
 */
export function contextBaggage(variables: CarriedVariables): ContextBaggage {
  if (typeof variables !== 'object' || variables === null)
    fail(`contextBaggage takes variables by name, as { tenant: tenantVar }, not ${show(variables)}.`)
  for (const [name, variable] of Object.entries(variables)) {
    if (!TOKEN.test(name)) fail(`Baggage cannot have the name ${show(name)}: use letters, digits and -_.`)
    if (!(variable instanceof ContextVar)) fail(`The baggage ${name} must be a ContextVar, not ${show(variable)}.`)
  }
  return new ContextBaggage(variables)
}

interface Member {
  readonly name: string
  readonly value: string
  /** As it stood there, with its properties. */
  readonly text: string
}

/** The members of a header; those that break the grammar, their properties included, are left out. */
function membersOf(header: string): Member[] {
  const members: Member[] = []
  for (const text of header.split(',', MAX_MEMBERS)) {
    if (!TEXT.test(text)) continue
    const [first = '', ...properties] = text.split(';')
    const { name, value: encoded } = pairOf(first)
    const value = encoded === undefined || !isPair({ name, value: encoded }) ? undefined : decoded(encoded)
    if (value !== undefined && properties.map(pairOf).every(isPair)) members.push({ name, value, text: text.trim() })
  }
  return members
}

interface Pair {
  readonly name: string
  /** A property may have none. */
  readonly value: string | undefined
}

function pairOf(text: string): Pair {
  const equals = text.indexOf('=')
  if (equals === -1) return { name: text.trim(), value: undefined }
  return { name: text.slice(0, equals).trim(), value: text.slice(equals + 1).trim() }
}

function isPair({ name, value = '' }: Pair): boolean {
  return TOKEN.test(name) && OCTETS.test(value)
}

/** Half a surrogate pair has no encoding. */
function wellFormed(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\uFFFD')
}

function decoded(value: string): string | undefined {
  try {
    return decodeURIComponent(value)
  } catch {
    return undefined
  }
}
