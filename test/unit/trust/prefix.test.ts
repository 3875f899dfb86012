/** What is a path prefix? Each refused text turns a link of the app into one to somewhere else (contract rule 6). */

import { describe, expect, it } from 'vitest'
import { parsePrefix, trimPrefix } from '../../../src/trust/prefix.ts'

describe('parsePrefix', () => {
  it.each([
    ['/', ''],
    ['/a', '/a'],
    ['/a/', '/a'],
    ['/a/b/c/', '/a/b/c'],
    ['/~user/v1.0_x-y', '/~user/v1.0_x-y'],
    ['/...', '/...'],
    ['/..a', '/..a'],
    ['/a..', '/a..'],
    ['/.a/b.', '/.a/b.'],
    ['/%2e%2e%2e', '/%2e%2e%2e'],
    ['/%41%7E', '/%41%7E'],
    ['/%C3%A9', '/%C3%A9'],
    ['/%C2%A0', '/%C2%A0'],
    ['/%3f%23%40', '/%3f%23%40'],
    [`/${'a'.repeat(1023)}`, `/${'a'.repeat(1023)}`],
    [`/${'a'.repeat(1022)}/`, `/${'a'.repeat(1022)}`],
  ])('%s is %j', (text, prefix) => {
    expect(parsePrefix(text)).toBe(prefix)
  })

  it.each([
    ['nothing', ''],
    ['no leading slash', 'a'],
    ['two leading slashes', '//evil.example'],
    ['only slashes', '//'],
    ['an empty segment', '/a//b'],
    ['two trailing slashes', '/a//'],
    ['a backslash', '/\\evil.example'],
    ['a leading backslash', '\\evil.example'],
    ['a dot', '/.'],
    ['a dot and a slash', '/./'],
    ['a dot among segments', '/a/./b'],
    ['two dots', '/..'],
    ['two dots among segments', '/a/../b'],
    ['an encoded dot', '/%2e'],
    ['an encoded and a plain dot', '/%2E.'],
    ['two encoded dots', '/a/%2e%2E/b'],
    ['an encoded slash', '/a%2fb'],
    ['an encoded slash in upper case', '/a%2Fb'],
    ['an encoded backslash', '/a%5cb'],
    ['an encoded NUL', '/a%00'],
    ['an encoded line break', '/a%0d%0aSet-Cookie:x'],
    ['an encoded DEL', '/a%7f'],
    ['an encoded C1 control', '/%C2%85'],
    ['the last encoded C1 control', '/a%c2%9fb'],
    ['an encoded byte that is no UTF-8', '/%ff'],
    ['half an encoded character', '/%C3'],
    ['an encoded surrogate', '/%ED%A0%80'],
    ['a percent sign', '/a%'],
    ['half an escape', '/a%4'],
    ['half an escape and a slash', '/a%4/'],
    ['an escape that is none', '/a%g1'],
    ['an escape over a slash', '/a%/1'],
    ['a query', '/a?b'],
    ['a fragment', '/a#b'],
    ['a blank', '/a b'],
    ['a trailing blank', '/a '],
    ['a tab', '/a\t'],
    ['NUL', '/a\0'],
    ['DEL', '/a\x7f'],
    ['an at sign', '/@evil.example'],
    ['a colon', '/a:b'],
    ['a semicolon', '/a;b'],
    ['a quote', '/a"b'],
    ['an angle bracket', '/<script>'],
    ['a plus', '/a+b'],
    ['a letter that is not ASCII', '/é'],
    ['a lone surrogate', '/\ud800'],
    ['a URL', 'https://evil.example/'],
    ['1025 characters', `/${'a'.repeat(1024)}`],
    ['1025 characters with the slash', `/${'a'.repeat(1023)}/`],
    ['a prefix beyond all measure', '/a'.repeat(100_000)],
  ])('%s is no prefix', (_name, text) => {
    expect(parsePrefix(text)).toBeUndefined()
  })
})

describe('trimPrefix', () => {
  it.each([
    ['', ''],
    ['/', ''],
    ['/a', '/a'],
    ['/a/', '/a'],
    ['/a/b/', '/a/b'],
    ['a', 'a'],
  ])('%j is %j', (text, prefix) => {
    expect(trimPrefix(text)).toBe(prefix)
  })
})
