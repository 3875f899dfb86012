/**
 * What may stand between the parentheses of `app.js:createApp('x', { debug: true })`? Literals, read by hand: a
 * command line comes out of scripts and unit files, and nothing in it is ever evaluated.
 */

/** What was read, or a clause that says why it cannot be. */
export type ReadLiterals = { readonly values: readonly unknown[] } | { readonly reason: string }

/**
 * Reads a list of literals with commas, as JavaScript writes them: strings, numbers, booleans, null, arrays, objects.
 * Never throws.
 */
export function readLiterals(text: string): ReadLiterals {
  try {
    return { values: new Reader(text).arguments() }
  } catch (error) {
    if (error instanceof NotLiteral) return { reason: error.message }
    throw error
  }
}

class NotLiteral extends Error {}

/** Deeper than anybody writes by hand, and far from where the stack ends. */
const MAX_DEPTH = 64

const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
])
const PYTHON_WORDS: ReadonlyMap<string, string> = new Map([
  ['True', 'true'],
  ['False', 'false'],
  ['None', 'null'],
])

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['b', '\b'],
  ['f', '\f'],
  ['v', '\v'],
])

const BLANK = /\s+/y
const NAME = /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy
const NUMBER =
  /[+-]?(?:0[xX][\da-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/y
const UNICODE = /\{([\da-fA-F]{1,6})\}|([\da-fA-F]{4})/y
const HEX = /[\da-fA-F]{2}/y

class Reader {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  arguments(): unknown[] {
    const values: unknown[] = []
    for (this.#skip(); this.#at < this.#text.length;) {
      values.push(this.#value())
      if (this.#take('='))
        this.#refuse('it names an argument, which JavaScript has not: give an object, as in { n: 2 }')
      if (!this.#take(',') && this.#at < this.#text.length) this.#refuse(`${this.#here()} stands where a comma would`)
    }
    return values
  }

  #value(): unknown {
    const first = this.#text[this.#at]
    if (first === undefined) this.#refuse('a value is missing at its end')
    if (first === "'" || first === '"') return this.#ending(this.#string(first))
    if (first === '[') return this.#nested(() => this.#array())
    if (first === '{') return this.#nested(() => this.#object())
    if (first === '(') this.#refuse('it has a tuple in it, which JavaScript has not: write an array, as in [1, 2]')
    if (first === '`') this.#refuse('it has a template in it: write a string, as in "x"')
    if (first === '*' || first === '.') {
      if (this.#match(/\*|\.\.\./y) !== undefined) this.#refuse('it spreads a value: write its elements')
    }
    const number = this.#match(NUMBER)
    if (number !== undefined) return this.#ending(this.#number(number))
    const word = this.#match(NAME)
    if (word !== undefined) return this.#word(word)
    this.#refuse(`${this.#here()} begins no literal`)
  }

  #number(text: string): number {
    // What follows at once belongs to it, and makes it none: 1_000, 10n, 1.2.3, 007.
    if (/[\p{ID_Continue}$.]/u.test(this.#text[this.#at] ?? '')) this.#refuse(`${quote(this.#run())} is no number`)
    const [, sign = '', digits = ''] = /^([+-]?)(.*)$/.exec(text) ?? []
    const value = Number(digits)
    if (!Number.isFinite(value)) this.#refuse(`${quote(text)} is greater than any number`)
    return sign === '-' ? -value : value
  }

  /** The number that cannot be read, from its beginning to where it ends. */
  #run(): string {
    const start = /[^\s,[\]{}():]*$/.exec(this.#text.slice(0, this.#at))?.[0] ?? ''
    return start + (this.#match(/[^\s,[\]{}():]+/y) ?? '')
  }

  #word(word: string): unknown {
    this.#skip()
    if (WORDS.has(word)) return WORDS.get(word)
    const python = PYTHON_WORDS.get(word)
    if (python !== undefined) this.#refuse(`${word} is Python's: write ${python}`)
    if (this.#text[this.#at] === '=') {
      this.#refuse(`${word}= names an argument, which JavaScript has not: give an object, as in { ${word}: … }`)
    }
    this.#refuse(
      `${quote(word)} is a name, and names are not looked up: write a string in quotes, a number, true, false, null, an array or an object`,
    )
  }

  #string(mark: string): string {
    this.#at++
    let value = ''
    for (;;) {
      const char = this.#text[this.#at++]
      if (char === undefined || char === '\n' || char === '\r') this.#refuse('a string in it does not end')
      if (char === mark) return value
      value += char === '\\' ? this.#escape() : char
    }
  }

  #escape(): string {
    const char = this.#text[this.#at++]
    if (char === undefined) this.#refuse('a string in it does not end')
    if (char === 'x') {
      const digits = this.#matchHere(HEX)?.[0] ?? this.#refuse('\\x in a string needs two hexadecimal digits')
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    if (char === 'u') {
      const [, braced, four] = this.#matchHere(UNICODE) ?? []
      const code = Number.parseInt(braced ?? four ?? '', 16)
      if (!(code <= 0x10ffff)) this.#refuse('\\u in a string needs four hexadecimal digits, or a code in braces')
      return String.fromCodePoint(code)
    }
    if (/[0-9]/.test(char)) this.#refuse(`\\${char} in a string is no escape: write \\x00 with two hexadecimal digits`)
    return ESCAPES.get(char) ?? char
  }

  #array(): unknown[] {
    const values: unknown[] = []
    while (!this.#take(']')) {
      values.push(this.#value())
      if (!this.#take(',') && this.#text[this.#at] !== ']') this.#refuse(this.#unclosed(']'))
    }
    return values
  }

  #object(): object {
    const object = {}
    while (!this.#take('}')) {
      const key = this.#key()
      if (!this.#take(':')) this.#refuse(`${quote(key)} in an object needs a colon and a value after it`)
      // Defined, not assigned: a key named __proto__ is a key.
      Object.defineProperty(object, key, {
        value: this.#value(),
        configurable: true,
        enumerable: true,
        writable: true,
      })
      if (!this.#take(',') && this.#text[this.#at] !== '}') this.#refuse(this.#unclosed('}'))
    }
    return object
  }

  #key(): string {
    const first = this.#text[this.#at]
    if (first === "'" || first === '"') return this.#ending(this.#string(first))
    const name = this.#match(NAME)
    if (name !== undefined) return this.#ending(name)
    const number = this.#match(NUMBER)
    if (number !== undefined) return this.#ending(String(this.#number(number)))
    if (this.#match(/\*\*|\.\.\./y) !== undefined) this.#refuse('it spreads a value: write its members')
    this.#refuse(first === undefined ? this.#unclosed('}') : `${this.#here()} begins no name of a member`)
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.#refuse(`it is nested more than ${MAX_DEPTH} levels deep`)
    this.#at++
    this.#skip()
    const value = this.#ending(read())
    this.#depth--
    return value
  }

  #unclosed(bracket: string): string {
    return this.#at >= this.#text.length
      ? `a ${bracket} is missing`
      : `${this.#here()} stands where a comma or ${bracket} would`
  }

  #here(): string {
    return quote(String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0))
  }

  #take(char: string): boolean {
    this.#skip()
    if (this.#text[this.#at] !== char) return false
    this.#at++
    this.#skip()
    return true
  }

  #ending<T>(value: T): T {
    this.#skip()
    return value
  }

  #skip(): void {
    this.#match(BLANK)
  }

  #match(pattern: RegExp): string | undefined {
    return this.#matchHere(pattern)?.[0]
  }

  #matchHere(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match !== null) this.#at = pattern.lastIndex
    return match ?? undefined
  }

  #refuse(reason: string): never {
    throw new NotLiteral(reason)
  }
}

function quote(text: string): string {
  return `'${text}'`
}
