import { describe, expect, it, vi } from 'vitest'
import { ProxyFixError } from '../../../src/trust/error.ts'

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
