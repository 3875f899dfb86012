/**
 * How far did each field come? The verdicts on all five travel as one number, three bits each: a number costs a
 * decision nothing to carry, and the record that people read is made when somebody looks.
 */

import { type Field, FIELDS, type Verdict } from './connection.ts'

/** Verdicts by the number that they are packed in. */
const VERDICTS: readonly Verdict[] = [
  'trusted',
  'not-configured',
  'untrusted-peer',
  'absent',
  'short',
  'empty',
  'invalid',
]
export const NOT_CONFIGURED = 1
export const UNTRUSTED_PEER = 2
export const ABSENT = 3
export const SHORT = 4
export const EMPTY = 5
export const INVALID = 6

// The place of each field in FIELDS.
export const FOR = 0
export const PROTO = 1
export const HOST = 2
export const PORT = 3
export const PREFIX = 4

/** A verdict on the field at a place, to be put together with those on the others by `|`. */
export function pack(place: number, verdict: number): number {
  return verdict << (place * 3)
}

// There are few that differ, so each is made once. An array with such gaps takes 20 ns to look into, a map 5.
const unpacked = new Map<number, Readonly<Record<Field, Verdict>>>()

/** The record of verdicts that were put together. */
export function unpack(packed: number): Readonly<Record<Field, Verdict>> {
  const known = unpacked.get(packed)
  if (known !== undefined) return known
  const verdicts = FIELDS.map((field, place) => [field, VERDICTS[(packed >> (place * 3)) & 7]!])
  const made = Object.freeze(Object.fromEntries(verdicts) as Record<Field, Verdict>)
  unpacked.set(packed, made)
  return made
}
