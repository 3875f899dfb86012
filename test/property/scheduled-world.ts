/** Pieces of work that run beside each other, in the order that fast-check's scheduler chooses. */

import type fc from 'fast-check'

export abstract class ScheduledWorld {
  /** What goes wrong where no promise would tell. */
  readonly complaints: unknown[] = []
  readonly #scheduler: fc.Scheduler
  #pending = 0

  constructor(scheduler: fc.Scheduler) {
    this.#scheduler = scheduler
  }

  /** Lets whatever else is due go first. */
  protected async turn(): Promise<void> {
    await this.#scheduler.schedule(Promise.resolve())
  }

  protected track(work: Promise<unknown>): void {
    this.#pending++
    work
      .catch((error: unknown) => this.complaints.push(error))
      .finally(() => {
        this.#pending--
      })
      .catch(() => undefined)
  }

  /** @param between Called before each turn, as code that no work has started. */
  protected async untilDone(between?: () => void): Promise<void> {
    while (this.#pending > 0) {
      between?.()
      if (this.#scheduler.count() > 0) await this.#scheduler.waitOne()
      else await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
