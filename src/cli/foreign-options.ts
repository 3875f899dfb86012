/** What do people type who come from another server, and what do they want here? One clause for each. */

const ONE_KIND = 'the event loop is the only kind of worker, and serves many requests at once: leave it out.'
const PARENT = 'one process watches over the workers wherever -w is given: leave it out.'
const ONE_LISTENS = 'one process listens for all workers: leave it out.'
const RELOAD = 'send SIGHUP to load the app anew, or give --dev while you write it.'
const STDERR = 'what the server has to say goes to standard error: send it where you want it from there.'
const SUPERVISOR = 'leave that to what starts it: systemd, a container, or your shell.'

/** By the names that they have there, without hyphens. */
export const FOREIGN_OPTIONS: ReadonlyMap<string, string> = new Map([
  ['k', ONE_KIND],
  ['worker-class', ONE_KIND],
  ['gevent', ONE_KIND],
  ['async', ONE_KIND],
  ['enable-threads', ONE_KIND],
  ['threads', `${ONE_KIND.slice(0, -1)}, and give -w N for more than one process.`],
  ['worker-connections', ONE_KIND],
  ['master', PARENT],
  ['M', PARENT],
  ['preload', PARENT],
  ['need-app', 'an app that cannot be loaded always ends the start, with exit code 4: leave it out.'],
  ['vacuum', 'unix sockets are removed at the end anyway: leave it out.'],
  ['die-on-term', 'SIGTERM ends it anyway, and SIGHUP reloads: leave it out.'],
  ['harakiri', 'give --response-timeout for requests, and --timeout for workers that stand still.'],
  ['mount', 'mount apps by mount() of this package, and trust the prefix that your proxy sends by --x-prefix 1.'],
  ['log-x-forwarded-for', 'the client in the access log is the fixed one anyway: leave it out.'],
  ['touch-reload', RELOAD],
  ['py-autoreload', RELOAD],
  ['https', 'give -b and a certificate, as in -b :8443 --cert cert.pem --key key.pem.'],
  ['limit-request-field_size', 'all headers of a request have one limit together, --max-header-size.'],
  ['reuse-port', ONE_LISTENS],
  ['thunder-lock', ONE_LISTENS],
  ['error-logfile', STDERR],
  ['log-level', STDERR],
  ['capture-output', STDERR],
  ['add-header', 'set headers of answers in the app, or by a HeaderRewriter of this package.'],
  ['lazy-apps', 'each worker loads the app by itself anyway: leave it out.'],
  ['chmod-socket', 'write -b unix:PATH:mode=660.'],
  ['daemon', SUPERVISOR],
  ['D', SUPERVISOR],
  ['daemonize', SUPERVISOR],
  ['user', SUPERVISOR],
  ['u', SUPERVISOR],
  ['group', SUPERVISOR],
  ['g', SUPERVISOR],
  ['uid', SUPERVISOR],
  ['gid', SUPERVISOR],
  ['umask', 'give a unix socket its mode, as in -b unix:PATH:mode=660.'],
  ['wsgi', 'give the module as the last argument, as in app.js:app.'],
  ['module', 'give the module as the last argument, as in app.js:app.'],
  ['wsgi-file', 'give the module as the last argument, as in app.js:app.'],
  ['callable', 'name the export after a colon, as in app.js:app.'],
  ['app', 'give the module as the last argument, as in app.js:app.'],
  ['A', 'give the module as the last argument, as in app.js:app.'],
  ['factory', 'write the call of the factory, as in "app.js:createApp()".'],
  ['n', 'it stays in the foreground anyway: leave it out.'],
  ['nodaemon', 'it stays in the foreground anyway: leave it out.'],
  ['proxy-headers', 'say how many proxies there are, as in --x-for 1 --x-proto 1.'],
  ['forwarded-allow-ips', 'say whom to trust, as in --x-for 1 --trust 10.0.0.0/8.'],
  ['manage-script-name', 'trust the prefix that your proxy sends, as in --x-prefix 1.'],
])
