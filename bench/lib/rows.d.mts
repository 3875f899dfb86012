/** The types of `rows.mjs`, for its test. */
import type { Row } from './table.mjs'

export interface Goal {
  readonly most?: number
  readonly least?: number
  readonly faster?: number
  readonly value?: number
  readonly bytes?: number
}
export declare function judged(row: Row, goal: Goal | undefined): Row
export declare function rowsOf(
  group: string,
  unit: string,
  subjects: readonly {
    readonly name: string
    readonly samples: readonly number[]
    readonly bytes?: number
    readonly minus?: string
    readonly against?: string
    readonly goal?: Goal
    readonly note?: string
  }[],
): Row[]
