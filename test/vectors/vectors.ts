/** What the files of vectors have in common, and how their words become facts of ours. */

import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'

/** How much a vector binds. */
export type VectorClass =
  /** Every correct implementation agrees. */
  | 'core'
  /** A choice that may be made otherwise. */
  | 'policy'
  /** A laxness of the system that was asked. */
  | 'quirk'

/** One case; what `expect` and `config` hold is each file's own. */
export interface Vector<Expect, Config = unknown> {
  readonly name: string
  readonly class: VectorClass
  readonly config: Config
  /** Its options in words that all files share; absent where they do not suffice. */
  readonly neutral?: Neutral
  readonly peer: string | null
  readonly scheme: string
  readonly host: string
  /** Header lines in the order in which they came. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly expect: Expect
}

/** Options in words that all files share. */
export interface Neutral {
  readonly trust:
    | { readonly hops: number; readonly cidrs?: undefined; readonly leftmost_public?: undefined }
    | { readonly cidrs: readonly string[]; readonly hops?: undefined; readonly leftmost_public?: undefined }
    | { readonly leftmost_public: true; readonly hops?: undefined; readonly cidrs?: undefined }
    | null
  /** Who may speak at all, beside a hop count. */
  readonly peers?: readonly string[]
  /** There is no peer to see, and it is trusted all the same. */
  readonly assume_peer_trusted?: boolean
  /** `x-forwarded`, `forwarded`, `single:Name` or `list:Name`. */
  readonly source: string
}

/** One case that we answer otherwise. */
export interface Difference<Answer> {
  readonly name: string
  /** The rule of the contract, or the option whose description says it. */
  readonly rule: number | string
  /** One sentence. */
  readonly reason: string
  /** The fields that differ, and only those, with our values. */
  readonly ours: Partial<Answer>
}

/** Reads a file of vectors: data of a known shape, written by the scripts that asked. */
export function readVectors<Case>(file: string): readonly Case[] {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as readonly Case[]
}

/** Header lines as a record: lines of one name are its values, in order. */
export function headerRecord(lines: Vector<unknown>['headers']): Record<string, string[]> {
  const record: Record<string, string[]> = {}
  for (const [name, value] of lines) (record[name] ??= []).push(value)
  return record
}

/** The fields in which we answer otherwise, with our values. */
export function differingFields<Answer extends object>(ours: Answer, theirs: Partial<Answer>): Partial<Answer> {
  const names = Object.keys(theirs) as (keyof Answer)[]
  const differing = names.filter((name) => !isDeepStrictEqual(ours[name], theirs[name]))
  return Object.fromEntries(differing.map((name) => [name, ours[name]])) as Partial<Answer>
}

/** Tests a list of differences as such; that each still differs is for the test of its case. */
export function describeDifferences(
  differences: readonly { readonly name: string; readonly rule?: number | string; readonly reason: string }[],
  vectors: readonly { readonly name: string }[],
): void {
  describe('the list of known differences', () => {
    it('names each case once, and only cases that exist', () => {
      const names = differences.map(({ name }) => name)
      expect(new Set(names).size).toBe(names.length)
      expect(names.filter((name) => !vectors.some((vector) => vector.name === name))).toStrictEqual([])
    })

    it('gives each a rule and a reason of one sentence', () => {
      for (const { name, rule = '-', reason } of differences) {
        expect(rule, name).not.toBe('')
        expect(reason, name).toMatch(/^\S.*[^.\s]$/)
      }
    })
  })
}
