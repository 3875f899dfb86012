/**
 * What headers did a request have? Read from text that a person has at hand: a request head as it came over the wire,
 * header lines alone, or what `curl -v` printed.
 *
 * It is as strict as a server is: a line that one server refuses and the next repairs would be explained as if it had
 * reached the app. And it reads no further than the end of the first head: what comes after that in the output of curl
 * is the response, whose author may well have written lines that look like a request into it.
 *
 * The text is bytes, one character each (latin1), which is how Node shows them to an app. No message repeats any of
 * it: there may be passwords in there, and escape sequences.
 */

import { wholeValue } from '../trust/list.ts'
import { UsageError } from './usage-error.ts'

/** One header line: its name in lower case, and its value without the blanks around it. */
export interface HeaderLine {
  readonly name: string
  readonly value: string
}

/** Four times what Node reads as a head unless told otherwise. */
const MOST_BYTES = 64 * 1024

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const REQUEST_LINE = new RegExp(`^(${TOKEN}) \\S+ HTTP/\\d(?:\\.\\d)?$`)
const HEADER = new RegExp(`^(${TOKEN}):(.*)$`, 's')
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf'

/** How a line of curl's begins: a note, the request, the response, a body, the progress meter, and what curl says of its own options. */
const CURL_LINE = /^(?:\*|[<>] |[<>]$|[{}] \[| {2}% Total|(?:Note|Warning): )/
/** The progress meter, which has no line break of its own. */
const CURL_METER = /^[^]*\r[ \d.:kMGTP-]+(?=[*<>{}])/

/** Takes text piece by piece until a head is complete. */
export class RequestHeadReader {
  readonly #headers: HeaderLine[] = []
  #form: 'unknown' | 'plain' | 'curl' = 'unknown'
  /** In the output of curl: the method of the request that is being read. */
  #method: string | undefined
  #isComplete = false
  #rest = ''
  #bytes = 0
  #line = 0

  /** Whether the head has ended, so that nothing after it matters. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /** @throws UsageError for what is no request head. */
  write(text: string): void {
    this.#bytes += text.length
    const end = text.lastIndexOf('\n')
    if (end === -1) this.#rest += text
    else {
      for (const line of (this.#rest + text.slice(0, end)).split('\n')) {
        this.#take(line.endsWith('\r') ? line.slice(0, -1) : line)
      }
      this.#rest = text.slice(end + 1)
    }
    if (!this.#isComplete && this.#bytes > MOST_BYTES) {
      throw new UsageError(
        'Standard input has more than 64 KiB before the end of a request head: servers read no such head.',
      )
    }
  }

  /**
   * The header lines, in order.
   * @throws UsageError when there is no request.
   */
  end(): readonly HeaderLine[] {
    if (this.#rest !== '') this.write('\n')
    if (this.#form === 'unknown') {
      throw new UsageError(
        "Standard input is empty: give a request head, header lines or the output of curl -v there, or -H 'NAME: VALUE'.",
      )
    }
    if (this.#form === 'curl' && (this.#method === undefined || this.#method === 'CONNECT')) {
      throw new UsageError(
        "The output of curl -v on standard input has no request in it, which is lines that begin with '> ': curl did not get that far.",
      )
    }
    return this.#headers
  }

  #take(line: string): void {
    if (this.#isComplete) return
    this.#line++
    if (this.#form === 'unknown') this.#begin(this.#line === 1 ? withoutMark(line) : line)
    else if (this.#form === 'curl') this.#takeCurl(line)
    else this.#takePlain(line)
  }

  /** The first line that is not empty tells what this is. */
  #begin(line: string): void {
    if (line === '') return
    if (CURL_LINE.test(line)) {
      this.#form = 'curl'
      return this.#takeCurl(line)
    }
    if (line.startsWith('HTTP/')) {
      throw new UsageError(
        'Standard input is a response: give the request, as curl -v prints it (add 2>&1, as it prints to standard error).',
      )
    }
    this.#form = 'plain'
    if (REQUEST_LINE.test(line)) return
    if (!HEADER.test(line)) {
      throw new UsageError(
        'Standard input is no request: give a head that begins like GET / HTTP/1.1, header lines, or the output of curl -v (with 2>&1, as it prints to standard error).',
      )
    }
    this.#takePlain(line)
  }

  #takePlain(line: string): void {
    if (line === '') this.#isComplete = true
    else this.#headers.push(headerLine(line, `Line ${this.#line} of standard input`))
  }

  /** Takes the first request that does not only ask a proxy for a tunnel. */
  #takeCurl(text: string): void {
    const line = text.replace(CURL_METER, '')
    if (
      this.#method !== undefined &&
      this.#method !== 'CONNECT' &&
      (line === '>' || line === '> ' || isResponse(line))
    ) {
      this.#isComplete = true
    }
    if (this.#isComplete || !line.startsWith('> ')) return
    const sent = line.slice(2)
    const method = REQUEST_LINE.exec(sent)?.[1]
    if (method !== undefined) {
      this.#method = method
    } else if (this.#method === undefined) {
      throw new UsageError(
        `Line ${this.#line} of standard input is no request line: in the output of curl -v the first line that begins with '> ' is one, like > GET / HTTP/1.1.`,
      )
    } else if (this.#method !== 'CONNECT') {
      this.#headers.push(headerLine(sent, `Line ${this.#line} of standard input`))
    }
  }
}

/**
 * Reads one header line.
 * @param where What the message calls it.
 * @throws UsageError for what servers refuse.
 */
export function headerLine(line: string, where: string): HeaderLine {
  if (/^[ \t]/.test(line)) {
    throw new UsageError(
      `${where} begins with a blank, which once continued the line before it: servers refuse that (RFC 9112, section 5.2), so write the header in one line.`,
    )
  }
  if (/[^\t\x20-\x7e\x80-\xff]/.test(line)) {
    throw new UsageError(`${where} has a control character in it, which servers refuse.`)
  }
  const [, name, value] = HEADER.exec(line) ?? []
  if (name === undefined || value === undefined) {
    throw new UsageError(
      /^[^:]*[ \t]:/.test(line)
        ? `${where} has a blank before the colon, which servers refuse.`
        : `${where} is no header: write NAME: VALUE, with letters, digits and hyphens in the name.`,
    )
  }
  return { name: name.toLowerCase(), value: wholeValue(value) }
}

function isResponse(line: string): boolean {
  return line === '<' || line.startsWith('< ')
}

function withoutMark(line: string): string {
  return line.startsWith(BYTE_ORDER_MARK) ? line.slice(BYTE_ORDER_MARK.length) : line
}
