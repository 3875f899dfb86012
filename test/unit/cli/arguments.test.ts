/** What was typed after a command, with every mistake told. */

import { describe, expect, it } from 'vitest'
import { type OptionShape, readArguments } from '../../../src/cli/arguments.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'

const SHAPES = new Map<string, OptionShape>([
  ['bind', { type: 'string', short: 'b', multiple: true }],
  ['x-for', { type: 'string', aliases: ['xforwardedfor'] }],
  ['help', { type: 'boolean', short: 'h' }],
])

const ELSEWHERE = new Map([
  ['elsewhere', 'write --here'],
  ['e', 'write -h'],
])

describe('readArguments', () => {
  it.each<{ args: string[]; options: [string, string[]][]; positionals: string[] }>([
    { args: [], options: [], positionals: [] },
    { args: ['app.js', '--x-for', '1'], options: [['x-for', ['1']]], positionals: ['app.js'] },
    { args: ['--x-for=1', 'app.js'], options: [['x-for', ['1']]], positionals: ['app.js'] },
    { args: ['--x-for', '-1'], options: [['x-for', ['-1']]], positionals: [] },
    { args: ['-b', ':1', '--bind', ':2', '-b:3'], options: [['bind', [':1', ':2', ':3']]], positionals: [] },
    { args: ['--bind', '-'], options: [['bind', ['-']]], positionals: [] },
    { args: ['--bind=-h', '-b--help'], options: [['bind', ['-h', '--help']]], positionals: [] },
    { args: ['--bind=', '--bind', ''], options: [['bind', ['', '']]], positionals: [] },
    { args: ['-h'], options: [['help', ['']]], positionals: [] },
    { args: ['--', '--x-for'], options: [], positionals: ['--x-for'] },
    { args: ['--', '--x-for', '-1'], options: [], positionals: ['--x-for', '-1'] },
  ])('reads $args', ({ args, options, positionals }) => {
    const read = readArguments(args, SHAPES)
    expect([[...read.options], read.positionals]).toStrictEqual([options, positionals])
  })

  it.each([
    { args: ['--x-fro', '1'], says: 'did you mean --x-for?' },
    { args: ['--frobnicate'], says: 'try --help' },
    { args: ['-x'], says: 'There is no option -x' },
    { args: ['--x-for'], says: 'The option --x-for needs a value.' },
    { args: ['--x-for', '-h'], says: 'The option --x-for needs a value.' },
    { args: ['--x-for', '--help'], says: 'The option --x-for needs a value.' },
    { args: ['--x-for', '--help=1'], says: 'The option --x-for needs a value.' },
    { args: ['--x-for', '--', 'app.js'], says: 'The option --x-for needs a value.' },
    { args: ['-b', '--x-for', '1'], says: 'The option -b needs a value.' },
    { args: ['-b', '-x'], says: 'The option -b needs a value.' },
    { args: ['--x-forwarded-for', '1'], says: 'There is no option --x-forwarded-for: did you mean --x-for?' },
    { args: ['--xForwardedFor=1'], says: 'There is no option --xForwardedFor: did you mean --x-for?' },
    { args: ['--help=1'], says: 'takes no value' },
    { args: ['--x-for', '1', '--x-for', '2'], says: 'twice' },
    // Names that objects have by birth.
    { args: ['--constructor'], says: 'There is no option --constructor' },
    { args: ['--constructor', 'app.js'], says: 'There is no option --constructor' },
    { args: ['--toString'], says: 'There is no option --toString' },
    { args: ['--__proto__=1'], says: 'There is no option --__proto__' },
    { args: ['--hasOwnProperty=1'], says: 'There is no option --hasOwnProperty' },
    { args: ['--port', '3000'], says: 'There is no option --port: try --help.' }, // and not --x-port
    { args: ['-p', '3000'], says: 'There is no option -p: try --help.' },
    { args: ['--elsewhere=3000'], says: 'There is no option --elsewhere: write --here.' },
    { args: ['-e', '3000'], says: 'There is no option -e: write -h.' },
  ])('refuses $args', ({ args, says }) => {
    const read = (): unknown => readArguments(args, SHAPES, (name) => ELSEWHERE.get(name))
    expect(read).toThrow(UsageError)
    expect(read).toThrow(says)
  })

  it('does not take an address to listen on for what says whom to believe', () => {
    const read = (): unknown => readArguments(['--port', '3000'], new Map([['x-port', { type: 'string' }]]))
    expect(read).toThrow('There is no option --port: try --help.')
  })
})
