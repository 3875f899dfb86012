/** The types of `imports.mjs`, for the tests. */
export declare function loadedBy(entry: string): {
  readonly files: ReadonlyMap<string, string>
  readonly modules: ReadonlySet<string>
}
