/** The types of `table.mjs`, for its test. */
export interface Row {
  readonly group: string
  readonly name: string
  readonly value?: number
  readonly unit?: string
  readonly spread?: readonly [number, number]
  readonly against?: string
  readonly ratio?: number
  readonly bytes?: number
  readonly goal?: string
  readonly met?: boolean
  readonly note?: string
}
export declare function tables(rows: readonly Row[]): string
