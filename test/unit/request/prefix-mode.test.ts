/** Where a trusted prefix goes, and which part of a request target is a path. */

import { describe, expect, it } from 'vitest'
import { originForm, placePrefix, type PlacedTarget } from '../../../src/request/prefix-mode.ts'

describe('placePrefix', () => {
  it.each<{ mode: 'mount' | 'strip' | 'url' | 'none'; target: string; placed: PlacedTarget }>([
    { mode: 'mount', target: '/x?y', placed: { route: '/x?y', public: '/shop/x?y', mounted: true } },
    { mode: 'mount', target: '/', placed: { route: '/', public: '/shop/', mounted: true } },
    // For a proxy that cut the prefix off: what looks like one more of it is the app's own path.
    { mode: 'mount', target: '/shop/x', placed: { route: '/shop/x', public: '/shop/shop/x', mounted: true } },
    { mode: 'url', target: '/x?y', placed: { route: '/shop/x?y', public: '/shop/x?y', mounted: false } },
    { mode: 'none', target: '/x?y', placed: { route: '/x?y', public: '/shop/x?y', mounted: false } },
    { mode: 'strip', target: '/shop/x?y', placed: { route: '/x?y', public: '/shop/x?y', mounted: true } },
    { mode: 'strip', target: '/shop/', placed: { route: '/', public: '/shop/', mounted: true } },
    { mode: 'strip', target: '/shop', placed: { route: '/', public: '/shop', mounted: true } },
    { mode: 'strip', target: '/shop?y', placed: { route: '/?y', public: '/shop?y', mounted: true } },
    { mode: 'strip', target: '/shop/shop/x', placed: { route: '/shop/x', public: '/shop/shop/x', mounted: true } },
    { mode: 'strip', target: '/shopping', placed: { route: '/shopping', public: '/shopping', mounted: false } },
    { mode: 'strip', target: '/shop%2fx', placed: { route: '/shop%2fx', public: '/shop%2fx', mounted: false } },
    { mode: 'strip', target: '/SHOP/x', placed: { route: '/SHOP/x', public: '/SHOP/x', mounted: false } },
    { mode: 'strip', target: '/x/shop', placed: { route: '/x/shop', public: '/x/shop', mounted: false } },
    // What is left must not begin with two slashes, which name a host to whoever resolves it.
    {
      mode: 'strip',
      target: '/shop//evil.example/x',
      placed: { route: '/evil.example/x', public: '/shop//evil.example/x', mounted: true },
    },
    { mode: 'strip', target: '/shop///', placed: { route: '/', public: '/shop///', mounted: true } },
    { mode: 'strip', target: '/', placed: { route: '/', public: '/', mounted: false } },
  ])('$mode of $target', ({ mode, target, placed }) => {
    expect(placePrefix(target, '/shop', mode)).toStrictEqual(placed)
  })

  it.each(['mount', 'strip', 'url', 'none'] as const)('%s of the empty prefix changes nothing', (mode) => {
    expect(placePrefix('/x?y', '', mode)).toStrictEqual({ route: '/x?y', public: '/x?y', mounted: false })
  })
})

describe('originForm', () => {
  it.each([
    ['/', '/'],
    ['/x?y#z', '/x?y#z'],
    ['//evil.example/x', '//evil.example/x'],
    ['/http://evil.example/', '/http://evil.example/'],
    ['http://evil.example', '/'],
    ['http://evil.example/', '/'],
    ['http://evil.example/x?y', '/x?y'],
    ['http://evil.example?y', '/?y'],
    ['http://evil.example#z', '/#z'],
    ['http://a:b@evil.example:81/x', '/x'],
    ['http://evil.example//x', '//x'],
    ['HTTPS://evil.example/x', '/x'],
    ['ws+unix.1-x://evil.example/x', '/x'],
    ['http:///x', '/x'],
    ['', '/'],
    ['*', '/*'],
    ['*@evil.example/', '/*@evil.example/'],
    ['.evil.example/x', '/.evil.example/x'],
    ['@evil.example', '/@evil.example'],
    [':80@evil.example', '/:80@evil.example'],
    ['http:evil.example', '/http:evil.example'],
  ])('of %j is %j', (target, path) => {
    expect(originForm(target)).toBe(path)
  })
})
