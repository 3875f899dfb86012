/**
 * The loop that is timed. It is imported anew for every function (`driver.mjs?3`), so that what V8 learns of one call is
 * not what it knows of all; the input changes with each call, and what comes of it is kept, so that none is left out.
 */

const kept = Array.from({ length: 8 })

/**
 * @param inputs As many as a power of two.
 * @returns Nanoseconds a call, of processor time: V8's collecting threads are in it, and other processes are not.
 */
export function timed(call, inputs, calls) {
  const start = process.cpuUsage()
  for (let index = 0; index < calls; index++) kept[index & 7] = call(inputs[index & (inputs.length - 1)])
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1000) / calls
}
