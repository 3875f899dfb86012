/** The types of `statistics.mjs`, for its test. */
export declare function quantile(values: readonly number[], share: number): number
export declare function median(values: readonly number[]): number
export declare function interquartile(values: readonly number[]): [number, number]
export declare function medianRatio(values: readonly number[], others: readonly number[]): number
