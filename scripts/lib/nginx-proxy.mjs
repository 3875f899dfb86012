/** What stands before the apps of the demo? The machine's nginx, configured as Flask's deployment page has it. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { startProgram } from './background.mjs'

/**
 * @param program Where nginx is.
 * @param folder Where its files go.
 * @param upstreams The URLs of the apps.
 * @param certificate Absent: no TLS.
 * @param onEnd Is told when nginx ends by itself.
 * @returns For each app the URLs to ask nginx at.
 */
export async function startNginx({ program, folder, upstreams, certificate, onEnd }) {
  const ports = await freePorts(upstreams.length * 2)
  const servers = upstreams.map((upstream, index) => {
    const [port, securePort] = ports.slice(index * 2)
    return { upstream, port, securePort: certificate && securePort }
  })
  const file = join(folder, 'nginx.conf')
  mkdirSync(join(folder, 'scratch'))
  writeFileSync(file, configuration(servers, certificate))
  await startProgram('nginx', program, ['-p', folder, '-c', file, '-e', 'stderr'], {
    isReady: () => acceptsConnections(ports[0]),
    onEnd,
  })
  return servers.map(({ port, securePort }) => ({
    http: `http://127.0.0.1:${port}`,
    https: securePort && `https://127.0.0.1:${securePort}`,
  }))
}

function configuration(servers, certificate) {
  return `
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path scratch; proxy_temp_path scratch; fastcgi_temp_path scratch;
  uwsgi_temp_path scratch; scgi_temp_path scratch;
  ${servers.map((server) => serverBlock(server, certificate)).join('\n  ')}
}
`
}

/** Flask has no X-Forwarded-Host; `$http_host`, unlike `$host`, keeps the port that the client typed. */
function serverBlock({ upstream, port, securePort }, certificate) {
  const tls = `
    listen 127.0.0.1:${securePort} ssl;
    ssl_certificate ${certificate?.certFile};
    ssl_certificate_key ${certificate?.keyFile};`
  return `server {
    listen 127.0.0.1:${port};${certificate === undefined ? '' : tls}
    server_name _;
    location / {
      proxy_pass ${upstream};
      proxy_redirect off;
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }
  }`
}

/** nginx cannot choose ports by itself, nor tell them: all are held at once, so that they differ, then let go. */
async function freePorts(count) {
  const holders = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer()
      return new Promise((resolve, reject) =>
        server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server)),
      )
    }),
  )
  const ports = holders.map((server) => server.address().port)
  await Promise.all(holders.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function acceptsConnections(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
