/** What the benchmarks want of Debian: a load generator, and the servers of Python. Rows of what is missing are left out. */

import { ensureSystemPackages } from '../../scripts/lib/system-packages.mjs'

const PYTHON = '/usr/lib/python3/dist-packages'

export function ensureBenchPackages() {
  return ensureSystemPackages({
    wrk: 'wrk',
    gunicorn: 'gunicorn',
    'uwsgi-core': 'uwsgi-core',
    'uwsgi-plugin-python3': '/usr/lib/uwsgi/plugins/python3_plugin.so',
    'python3-gevent': `${PYTHON}/gevent`,
    'python3-eventlet': `${PYTHON}/eventlet`,
    'python3-twisted': `${PYTHON}/twisted`,
    'python3-werkzeug': `${PYTHON}/werkzeug`,
  })
}
