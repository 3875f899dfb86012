/** How is a client written on one line? Its address or node, with the port if that is known. */

import type { Client } from './connection.ts'

export function clientText({ address, node, port }: Client): string | undefined {
  const name = address ?? node
  if (name === undefined || port === undefined) return name
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`
}
