/** Whether a value has to be waited for: by its `then`, as promises come from other realms and libraries. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}
