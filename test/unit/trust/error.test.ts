import { describe, expect, it, vi } from 'vitest'
import { printable, ProxyFixError } from '../../../src/trust/error.ts'

describe('ProxyFixError', () => {
  it('is a TypeError with a code, a name and a cause', () => {
    const cause = new Error('below')
    const error = new ProxyFixError('ERR_PROXYFIX_OPTION', 'It cannot be.', { cause })
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toBeInstanceOf(ProxyFixError)
    expect([error.name, error.code, error.message, error.cause]).toStrictEqual([
      'ProxyFixError',
      'ERR_PROXYFIX_OPTION',
      'It cannot be.',
      cause,
    ])
    expect(String(error)).toBe('ProxyFixError: It cannot be.')
  })

  it('is one across copies of the package', async () => {
    vi.resetModules()
    const copy = await import('../../../src/trust/error.ts')
    expect(copy.ProxyFixError).not.toBe(ProxyFixError)
    expect(new copy.ProxyFixError('ERR_PROXYFIX_OPTION', '')).toBeInstanceOf(ProxyFixError)
    expect(new ProxyFixError('ERR_PROXYFIX_OPTION', '')).toBeInstanceOf(copy.ProxyFixError)
  })

  it.each([
    { value: new TypeError('x') },
    { value: new Error('x') },
    { value: { code: 'ERR_PROXYFIX_OPTION', name: 'ProxyFixError' } },
    { value: null },
    { value: undefined },
    { value: 'ProxyFixError' },
    { value: ProxyFixError },
  ])('is not $value', ({ value }) => {
    expect(value instanceof ProxyFixError).toBe(false)
  })

  it('is no instance of a class derived from it', () => {
    class Derived extends ProxyFixError {}
    const derived = new Derived('ERR_PROXYFIX_OPTION', '')
    expect(derived).toBeInstanceOf(Derived)
    expect(derived).toBeInstanceOf(ProxyFixError)
    expect(new ProxyFixError('ERR_PROXYFIX_OPTION', '') instanceof Derived).toBe(false)
  })
})

describe('text as messages have it', () => {
  it.each([
    { is: 'plain text', text: 'app.js:café', shown: 'app.js:café' },
    { is: 'a line break', text: 'a\nb', shown: String.raw`a\u000ab` },
    { is: 'what a terminal obeys', text: '\x1b[31mred', shown: String.raw`\u001b[31mred` },
    { is: 'what turns the reading round', text: 'a\u202eb', shown: String.raw`a\u202eb` },
    { is: 'what is seen nowhere', text: 'a\u{e0041}b', shown: String.raw`a\u{e0041}b` },
  ])('shows $is so', ({ text, shown }) => {
    expect(printable(text)).toBe(shown)
  })
})
