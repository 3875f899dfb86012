/** Header lines as Node keeps them, names and values in turn, by name. */
export function distinct(lines: readonly string[]): Record<string, string[]> {
  const values: Record<string, string[]> = Object.create(null)
  for (let index = 0; index < lines.length; index += 2)
    (values[lines[index]!.toLowerCase()] ??= []).push(lines[index + 1]!)
  return values
}
