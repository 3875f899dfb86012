/** What is in the file of results? A word on how to read it, then a part for each section, which can be replaced alone. */

const HEAD = `# How fast it is

\`npm run bench\` measures and writes this file; \`npm run bench -- --quick\` takes some minutes, and \`npm run bench -- decide\`
measures one section alone. What stands in one table was measured in turn, round after round, in one run: ratios are what
counts, as the machine is not always the same speed.

- A figure is the median of the rounds, half of which lie between the two numbers beside it. A ratio is the median of the
  ratios within each round; under half, it is told how many times faster. Of throughputs figure and ratio are the best's, as
  noise only ever slows a server: two identical servers differ by ten percent, so the processor time a request (user and
  system, all processes of the server) tells more.
- Calls are timed in turns of 12 ms, each in loops of its own over changing inputs, their results kept, in several processes;
  it is processor time, so other processes are not in it. Bytes are what the heap grows by. Where it says "added", what the bare handler takes for the same request is subtracted.
- Servers are all up at once, and warmed up with headers in several orders; one-second windows of \`wrk\` with 64 keep-alive connections go round them. Servers of one
  process are kept to one core, the load to the other, and all have the same memory for new objects (32 MB); two workers and
  their peers have V8's own setting and share both cores with the load. Windows in which other processes took more than 0.12 of
  a core are measured again.
- All of them answer one line with address, scheme and host of the client, behind one trusted proxy; the bare ones those of
  the connection. What they answer is checked first.
- Latency is counted from when a request was to be sent, whether or not the one before was answered.`

/**
 * The whole file.
 *
 * @param sections Text for each name, in order.
 * @param versions Of all that was measured beside.
 */
export function results(sections, versions) {
  const parts = [...sections].map(([name, text]) => `## ${name}\n\n${text.trimEnd()}\n`)
  return `${HEAD}\n\nMeasured beside: ${versions}.\n\n${parts.join('\n')}`
}

/** The sections of such a file, by name. */
export function sectionsOf(text) {
  const [, ...parts] = text.split(/^## /m)
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n')).trim()]))
}
