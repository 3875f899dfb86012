/**
 * What do people type who come from another server, and what do they want here? One table: the command line answers from it,
 * and docs/server.md has each row.
 */

/** Options of other servers that come to the same. */
interface OptionsElsewhere {
  readonly options: readonly string[]
  /** What to do here: a clause. */
  readonly here: string
}

/** Of gunicorn, uWSGI, uvicorn, hypercorn, waitress, gevent, Twisted and Flask. */
export const OPTIONS_ELSEWHERE: readonly OptionsElsewhere[] = [
  {
    options: [
      '--port',
      '--host',
      '--http',
      '--http-socket',
      '--https-socket',
      '--listen',
      '--address',
      '-s',
      '--uds',
      '--fd',
      '--unix-socket',
      '--call-port',
    ],
    here: 'write -b :PORT for every interface, -b HOST:PORT, -b unix:PATH or -b fd:NUMBER',
  },
  {
    options: ['--socket'],
    here: 'write -b HOST:PORT or -b unix:PATH; or proxyFix: { socket: false } in the config file',
  },
  { options: ['--headers'], here: 'write proxyFix: { headers: … } in the config file, or set PROXYFIX_HEADERS' },
  {
    options: ['--prefix-mode'],
    here: 'write proxyFix: { prefixMode: … } in the config file, or set PROXYFIX_PREFIX_MODE',
  },
  { options: ['--https', '--ssl'], here: 'write -b :8443 and give a certificate, --cert cert.pem --key key.pem' },
  {
    options: ['--wsgi', '--module', '--wsgi-file', '--app', '-A', '-F', '--file', '--pythonpath', '--app-dir'],
    here: 'give the module as the last argument, as in app.js:app, and the folder by --chdir',
  },
  { options: ['--callable'], here: 'name the export after a colon, as in app.js:app' },
  {
    options: ['--factory', '--call', '--interface', '--asgi', '--interfaces'],
    here: "write a factory with its call, as in 'app.js:createApp()', and leave it out: what kind of app it is, is seen",
  },
  {
    options: ['--need-app', '--lifespan'],
    here: 'an app that cannot be loaded always ends the start, with exit code 4: leave it out',
  },
  { options: ['--config-file', '--ini', '--yaml', '--json', '--xml', '--paste'], here: 'write --config FILE' },
  { options: ['--env', '-e', '--env-file'], here: 'set variables in front of the command, or write --dotenv FILE' },
  { options: ['--set', '--define'], here: 'set variables in front of the command, or members of the config file' },
  { options: ['--pidfile'], here: 'write --pid FILE' },
  { options: ['--version', '-V', '-v'], here: 'write proxyfix --version' },
  { options: ['--check', '--test', '--check-app'], here: 'write --check-config' },
  { options: ['--cd'], here: 'write --chdir FOLDER' },
  { options: ['--instances', '--num-processes', '--worker-processes'], here: 'write -w N' },
  {
    options: [
      '-k',
      '--worker-class',
      '--gevent',
      '--async',
      '--asyncio',
      '--enable-threads',
      '--worker-connections',
      '--greenlet',
      '--loop',
      '--http-protocol',
      '--ws',
    ],
    here: 'the event loop is the only kind of worker, and serves many requests at once: leave it out',
  },
  {
    options: ['--threads'],
    here: 'the event loop serves many requests at once: leave it out, and write -w N for more than one process',
  },
  { options: ['--master', '-M'], here: 'one process watches over the others wherever -w is given: leave it out' },
  {
    options: ['--preload', '--preload-app', '--lazy-apps', '--lazy'],
    here: 'each worker loads the app by itself: leave it out',
  },
  { options: ['--reuse-port', '--thunder-lock'], here: 'one process listens for all workers: leave it out' },
  {
    options: ['--harakiri'],
    here: 'write --response-timeout for requests, and --timeout for workers that stand still',
  },
  { options: ['-t'], here: 'write --timeout' },
  {
    options: [
      '--worker-reload-mercy',
      '--timeout-graceful-shutdown',
      '--graceful-shutdown-timeout',
      '--reload-mercy',
      '--stop-timeout',
    ],
    here: 'write --graceful-timeout',
  },
  {
    options: ['--limit-max-requests', '--limit-max-requests-jitter', '--max-requests-delta'],
    here: 'write --max-requests N, and --max-requests-jitter N',
  },
  {
    options: ['--cheaper', '--cheap', '--idle'],
    here: 'the number of workers is -w N: send SIGTTIN for one more, SIGTTOU for one less',
  },
  {
    options: ['--daemon', '-D', '--daemonize', '--user', '-u', '--group', '-g', '--uid', '--gid', '--initgroups'],
    here: 'leave that to what starts it: systemd, a container, or your shell',
  },
  {
    options: ['-n', '--nodaemon', '--name', '--proc-name'],
    here: 'it stays in the foreground, and its processes are called node: leave it out',
  },
  {
    options: ['--die-on-term', '--vacuum', '--single-interpreter', '--no-orphans', '--no-control-socket'],
    here: 'that is how it is anyway: leave it out',
  },
  {
    options: ['--on-starting', '--post-fork', '--pre-fork', '--when-ready', '--worker-int'],
    here: "there are no hooks of the server: write what they do into the app's module",
  },
  { options: ['--worker-tmp-dir', '--tmp-upload-dir'], here: 'no worker keeps files: leave it out' },
  {
    options: [
      '--reload',
      '--debug',
      '--debugger',
      '--use-reloader',
      '--reload-exclude',
      '--reload-engine',
      '--exclude-patterns',
      '--py-autoreload',
      '--touch-reload',
      '--with-threads',
    ],
    here: 'write --dev while you write the app, which watches what it loads; send SIGHUP to load it anew',
  },
  {
    options: ['--reload-dir', '--reload-include', '--reload-extra-file', '--extra-files'],
    here: 'write --dev --watch PATH for what is no code, a file or a folder',
  },
  {
    options: ['--certfile', '--keyfile', '--ssl-certfile', '--ssl-keyfile', '--certificate', '--private-key'],
    here: 'write --cert FILE --key FILE',
  },
  {
    options: ['--ssl-keyfile-password', '--keyfile-password'],
    here: 'a key with a password cannot be read: give one without, that nobody else may read',
  },
  {
    options: [
      '--ca-certs',
      '--cert-reqs',
      '--ssl-ca-certs',
      '--ssl-cert-reqs',
      '--verify-mode',
      '--do-handshake-on-connect',
    ],
    here: "certificates of clients are the proxy's work: ask for them where TLS ends for clients",
  },
  {
    options: ['--ssl-version', '--ciphers', '--ssl-ciphers', '--suppress-ragged-eofs'],
    here: 'Node chooses versions and ciphers of TLS: set them by NODE_OPTIONS, as in --tls-min-v1.3',
  },
  { options: ['--h2'], here: 'write --http2' },
  {
    options: [
      '--proxy-headers',
      '--no-proxy-headers',
      '--trusted-proxy-headers',
      '--trusted-proxy-count',
      '--secure-scheme-headers',
      '--forwarder-headers',
      '--real-ip',
    ],
    here: 'say how many proxies there are, as in --x-for 1 --x-proto 1',
  },
  {
    options: ['--forwarded-allow-ips', '--trusted-proxy', '--trusted-hosts'],
    here: 'say whom to trust, as in --x-for 1 --trust 10.0.0.0/8',
  },
  {
    options: ['--proxy-allow-from', '--proxy-allow-ips', '--proxy-protocol-from'],
    here: 'write --proxy-protocol SENDERS',
  },
  {
    options: ['--mount', '--manage-script-name', '--root-path', '--url-prefix', '--url-scheme'],
    here: 'mount apps by mount() of this package, and trust the prefix that your proxy sends by --x-prefix 1',
  },
  { options: ['--log-x-forwarded-for'], here: 'the client in the access log is the fixed one anyway: leave it out' },
  {
    options: ['--access-logfile', '--logto', '--log-file', '--logger', '--no-access-log'],
    here: "write --access-log FILE, or '-' for standard output; without it there is no log",
  },
  { options: ['--log-format'], here: 'write --access-log-format FORMAT' },
  {
    options: [
      '--error-logfile',
      '--error-log',
      '--log-level',
      '--capture-output',
      '--log-config',
      '--log-syslog',
      '--log-config-json',
      '--disable-redirect-access-to-syslog',
      '--disable-logging',
      '--use-colors',
      '--spew',
    ],
    here: 'what the server has to say goes to standard error: send it where you want it from there',
  },
  {
    options: ['--statsd-host', '--stats', '--stats-server', '--statsd-prefix', '--dogstatsd-tags'],
    here: 'the server counts nothing: count in the app, or read the access log as json',
  },
  { options: ['--healthcheck', '--healthz'], here: 'write --health /healthz' },
  {
    options: ['--static-map', '--static-files', '--check-static', '--static-folder'],
    here: 'write --static /PATH=FOLDER',
  },
  {
    options: [
      '--header',
      '--add-header',
      '--date-header',
      '--no-date-header',
      '--server-header',
      '--no-server-header',
      '--cors',
      '--ident',
    ],
    here: 'set headers of answers in the app, or by a HeaderRewriter of this package',
  },
  { options: ['--limit-request-line'], here: 'write --max-target' },
  { options: ['--limit-request-fields'], here: 'write --max-headers' },
  {
    options: [
      '--limit-request-field_size',
      '--buffer-size',
      '--h11-max-incomplete-event-size',
      '--max-request-header-size',
    ],
    here: 'all headers of a request have one limit together: write --max-header-size',
  },
  { options: ['--body-limit', '--limit-post', '--max-request-body-size'], here: 'write --max-body BYTES' },
  {
    options: ['--keep-alive', '--timeout-keep-alive', '--http-keepalive', '--channel-timeout'],
    here: 'write --keep-alive-timeout',
  },
  {
    options: ['--http-timeout', '--socket-timeout', '--read-timeout'],
    here: 'write --headers-timeout and --request-timeout',
  },
  {
    options: ['--limit-concurrency', '--connection-limit', '--listen-limit'],
    here: "how many requests it takes at once is the proxy's to limit",
  },
  {
    options: ['--chmod-socket', '--umask', '-m', '--unix-socket-perms', '--chown-socket'],
    here: 'write -b unix:PATH:mode=660',
  },
  {
    options: [
      '--permit-obsolete-folding',
      '--strip-header-spaces',
      '--permit-unconventional-http-method',
      '--permit-unconventional-http-version',
      '--casefold-http-method',
      '--header-map',
      '--strict',
    ],
    here: 'what can be read in two ways is always refused: leave it out',
  },
]

/** What to say of an option, by its name without hyphens: `statsd-host`, `k`. */
export function elsewhere(name: string): string | undefined {
  const wanted = keyOf(name)
  return OPTIONS_ELSEWHERE.find(({ options }) => options.some((one) => keyOf(one.replace(/^--?/, '')) === wanted))?.here
}

/** As people write it: `--certFile`, `--cert_file`. One letter is another one in another case. */
function keyOf(name: string): string {
  return name.length === 1 ? name : name.toLowerCase().replaceAll(/[_-]/g, '')
}
