/** What do people type who come from another server, and what do they want here? One clause for each. */

const ONE_KIND = 'the event loop is the only kind of worker, and serves many requests at once: leave it out.'
const PARENT = 'one process watches over the workers wherever -w is given: leave it out.'
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
