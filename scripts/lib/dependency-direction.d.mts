/** The types of `dependency-direction.mjs`, for its test. */
export declare function violationsIn(files: Record<string, string>): string[]
