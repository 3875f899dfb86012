/**
 * How do variables travel with OpenTelemetry? Its active span and baggage are in a context of its own, beside ours:
 * neither disturbs the other. These two let chosen variables pass from one to the other, so that whatever propagator is
 * set up sends them, and receives them.
 *
 * The one file that needs `@opentelemetry/api`, an optional peer: `proxyfix/context/opentelemetry`.
 */

import { context, propagation } from '@opentelemetry/api'
import type { ContextBaggage } from './baggage.ts'

/**
 * Calls a function while the active baggage of OpenTelemetry has the values of these variables as well.
 *
 * @example
 * await withActiveBaggage(baggage, () => fetch(url)) // sent by the instrumentation of fetch
 */
export function withActiveBaggage<R>(carried: ContextBaggage, fn: () => R): R {
  let active = propagation.getActiveBaggage() ?? propagation.createBaggage()
  for (const [name, value] of Object.entries(carried.values())) active = active.setEntry(name, { value })
  return context.with(propagation.setBaggage(context.active(), active), fn)
}

/**
 * Sets these variables in the current scope to what the active baggage of OpenTelemetry holds: what the instrumentation
 * of the server has received. Whoever sends a request chooses its baggage, so ask `connection.trusted` first.
 *
 * @throws ContextError outside any scope.
 * @example
 * if (connection.trusted) receiveActiveBaggage(baggage)
 */
export function receiveActiveBaggage(carried: ContextBaggage): void {
  const entries = propagation.getActiveBaggage()?.getAllEntries() ?? []
  carried.set(Object.fromEntries(entries.map(([name, { value }]) => [name, value])))
}
