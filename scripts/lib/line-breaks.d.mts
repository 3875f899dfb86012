/** The types of `line-breaks.mjs`, for its test. */
export declare function breakLines(code: string, mappings: string, width: number): { code: string; mappings: string }
