/** What does `proxyfix serve --help` say? Every setting, from the one table of them. */

import { flagOf, type Setting, SETTINGS } from '../server/settings.ts'
import { TRUST_HELP } from './trust-options.ts'

const COLUMN = 22
const WIDTH = 118

export function serveHelp(): string {
  const groups = [...new Set(SETTINGS.map(({ group }) => group))].map((group) => {
    const lines = SETTINGS.filter((setting) => setting.group === group).flatMap(linesOf)
    return [group, ...lines].join('\n')
  })
  return `Usage: proxyfix serve [OPTION]... MODULE[:EXPORT | :FACTORY(ARGUMENTS)]

Serves the app that MODULE exports (as EXPORT, or as default, app, application or handler; or made by a function
createApp): a Node handler (req, res), a Fetch handler (request) => Response, an object with a fetch method, an app of
Express, Koa, Fastify or Hono, a server of node:http.

${groups.join('\n\n')}

${TRUST_HELP}
      --check-config  see whether everything can be read and the app be loaded, and serve nothing
      --print-config  print what is set, from all sources, as a config file
  -h, --help          show this

Each option can stand in a config file as well (--max-requests is maxRequests there, and what says whom to believe is
in proxyFix: { xFor: 1 }), and in a variable (PROXYFIX_MAX_REQUESTS). What is typed counts before variables, and they
before the file. A flag is taken back by --no-FLAG.

A header whose count is not given is not believed. Set each count to the number of proxies of yours that set
that header, and let nobody reach the server around them: a client can send these headers too. The command
proxyfix explain shows what a setting makes of a request.

Signals: SIGTERM, SIGINT and SIGQUIT finish what is in flight and stop, another one stops at once.
SIGHUP reloads: app, config file and workers where there are some, else the certificates. SIGUSR1 reopens the access
log. SIGTTIN and SIGTTOU: one worker more, one less. Exit codes: 0 stopped, 1 cannot listen, 2 wrong usage, 3 a worker
failed to boot, 4 the app could not be loaded, or ended the process meanwhile.
`
}

function linesOf({ name, short, value, help }: Setting): string[] {
  const head = `  ${short === undefined ? '   ' : `-${short},`} --${flagOf(name)}${value === undefined ? '' : ` ${value}`}`
  const lines = wrap(help, WIDTH - COLUMN)
  const indent = ' '.repeat(COLUMN)
  if (head.length + 1 < COLUMN) return [head.padEnd(COLUMN) + lines[0], ...lines.slice(1).map((line) => indent + line)]
  return [head, ...lines.map((line) => indent + line)]
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
