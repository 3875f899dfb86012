/**
 * Which app serves a path: the one whose segments are the longest beginning of the path's, compared as they read decoded.
 * The path with its mount in front is the path that was asked for, on Node and on Fetch.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mount } from '../../src/index.ts'
import { PURE_RUNS } from './runs.ts'

const letters = ['a', 'b', 'ab', 'a.b', 'A', '~'] as const

/** A segment of a mount path. */
const segment = fc.constantFrom(...letters)

/** The same segment as a client may spell it, or another one. */
const spelt = fc.oneof(
  { weight: 4, arbitrary: segment },
  {
    weight: 3,
    arbitrary: segment.map((text) =>
      [...text].map((letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`).join(''),
    ),
  },
  { weight: 2, arbitrary: segment.map((text) => `%${text.charCodeAt(0).toString(16)}${text.slice(1)}`) },
  { weight: 2, arbitrary: fc.constantFrom('', 'a%2Fb', 'ab%', 'a%00', 'a%252F', 'apple', '%2e%2ea', 'a;b') },
)

const mountPaths = fc.uniqueArray(
  fc.array(segment, { maxLength: 3 }).map((segments) => `/${segments.join('/')}`),
  { minLength: 1, maxLength: 5 },
)
const targets = fc
  .tuple(fc.array(spelt, { minLength: 1, maxLength: 5 }), fc.constantFrom('', '?', '?q=/a/b', '/', '/?x'))
  .map(([segments, end]) => `/${segments.join('/')}${end}`)

/** An oracle that knows nothing of the library: decodes all of the path, segment by segment. */
function expectedMount(paths: readonly string[], target: string): string | undefined {
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text)
    } catch {
      return text
    }
  }
  const given = target.split('?')[0]!.split('/').slice(1).map(decode)
  let best: string | undefined
  let depth = -1
  for (const path of paths) {
    const wanted = path === '/' ? [] : path.split('/').slice(1)
    if (wanted.length <= depth || wanted.length > given.length) continue
    if (wanted.some((text, index) => text !== given[index])) continue
    best = path
    depth = wanted.length
  }
  return best
}

interface Call {
  readonly path: string
  readonly url: string
  readonly base: string
  readonly whole: string
}

describe('mount()', () => {
  it('finds the longest mount by segments, and loses nothing of the path, on Node', () => {
    expect.hasAssertions()
    fc.assert(
      fc.property(mountPaths, targets, (paths, target) => {
        const calls: Call[] = []
        const note = (path: string) => (req: { url: string; baseUrl?: string; originalUrl?: string }, _res: unknown) =>
          void calls.push({ path, url: req.url, base: req.baseUrl ?? '', whole: req.originalUrl ?? req.url })
        let missed = 0
        const app = mount(Object.fromEntries(paths.map((path) => [path, note(path)])))
        const req = {
          url: target,
          method: 'GET',
          headers: { host: 'app' },
          rawHeaders: ['Host', 'app'],
          socket: { remoteAddress: '127.0.0.1' },
        }
        Reflect.apply(app as (...args: unknown[]) => unknown, undefined, [req, {}, () => missed++])
        check(calls, missed, paths, target)
      }),
      { numRuns: PURE_RUNS },
    )
  })

  it('finds the same on Fetch', async () => {
    expect.hasAssertions()
    await fc.assert(
      fc.asyncProperty(mountPaths, targets, async (paths, target) => {
        const calls: Call[] = []
        const note = (path: string) => (request: Request) => {
          const { pathname, search } = new URL(request.url)
          // A URL says no more of an empty query.
          const url = pathname + (search || (request.url.endsWith('?') ? '?' : ''))
          calls.push({ path, url, base: path === '/' ? '' : path, whole: target })
          return new Response()
        }
        const app = mount(Object.fromEntries(paths.map((path) => [path, note(path)])))
        const response = await app(new Request(`http://app.example${target}`))
        check(calls, response.status === 404 ? 1 : 0, paths, target)
      }),
      { numRuns: PURE_RUNS / 5 },
    )
  })

  function check(calls: readonly Call[], missed: number, paths: readonly string[], target: string): void {
    const expected = expectedMount(paths, target)
    if (expected === undefined) {
      expect([calls, missed]).toStrictEqual([[], 1])
      return
    }
    expect(missed).toBe(0)
    expect(calls).toHaveLength(1)
    const { path, url, base, whole } = calls[0]!
    expect(path).toBe(expected)
    expect(base).toBe(expected === '/' ? '' : expected)
    expect(whole).toBe(target)
    const [before, query] = splitQuery(target)
    const [rest, restQuery] = splitQuery(url)
    expect(restQuery).toBe(query)
    const depth = base === '' ? 0 : base.split('/').length - 1
    // The mount's own segments are gone and nothing else: but for slashes in a row, which would begin a host.
    const left = `/${before
      .split('/')
      .slice(depth + 1)
      .join('/')}`
    expect(rest).toBe(depth === 0 ? before : left.replace(/^\/+/, '/'))
    if (depth > 0) expect(rest.startsWith('//')).toBe(false)
  }

  function splitQuery(text: string): [string, string] {
    const at = text.indexOf('?')
    return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at)]
  }
})
