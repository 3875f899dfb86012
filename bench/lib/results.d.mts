/** The types of `results.mjs`, for its test. */
export declare function results(sections: ReadonlyMap<string, string>, versions: string): string
export declare function sectionsOf(text: string): Map<string, string>
