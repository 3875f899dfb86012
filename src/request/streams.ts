/** What becomes of a body that nobody will read? */

type Reader = Pick<ReadableStreamDefaultReader, 'read' | 'cancel'>

/**
 * Tells a stream that nobody will read it. What it says to that is nobody's concern, nor that another one reads it.
 * @param type The content type of what it is the body of.
 */
export function letGo(stream: ReadableStream | null, type: string | null | undefined): void {
  if (stream === null) return
  if (!isNodesForm(type)) stream.cancel().catch(() => undefined)
  else if (!stream.locked) letGoOf(stream.getReader(), type)
}

/** The same, told by whom it was read so far. */
export function letGoOf(reader: Reader, type: string | null | undefined): void {
  const end = isNodesForm(type) ? readToEnd(reader) : reader.cancel()
  end.catch(() => undefined)
}

/**
 * Whether it is a form that Node 24 has made a body of: it goes on to write into a stream that was cancelled, and what that
 * throws ends the process. All of a form is there already, so it is read instead.
 */
function isNodesForm(type: string | null | undefined): boolean {
  return type !== null && type !== undefined && NODES_FORM.test(type)
}

const NODES_FORM = /^multipart\/form-data; boundary=----formdata-undici-\d+$/

async function readToEnd(reader: Reader): Promise<void> {
  while (!(await reader.read()).done);
}
