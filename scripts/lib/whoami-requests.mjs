/**
 * What is asked in the demo, and what is the truth? The client knows its own address, and the scheme and host
 * it asked for, whatever any header says: nothing here is read from an answer.
 */

import { request as startRequest } from 'node:http'
import { request as startSecureRequest } from 'node:https'

/** The client's address: one of loopback that is not the proxy's own, or nobody could tell the two apart. */
export const CLIENT = '127.0.0.7'

/** The site that the client asks for. */
export const HOST = 'app.test'

/** What each is called, over which scheme it goes, and what the client adds to an honest request. */
export const REQUESTS = [
  { title: 'honest', scheme: 'http' },
  { title: 'honest', scheme: 'https' },
  { title: 'other port', scheme: 'http', host: `${HOST}:81` },
  { title: 'forged address', scheme: 'http', headers: { 'X-Forwarded-For': '6.6.6.6' } },
  { title: 'forged list', scheme: 'https', headers: { 'X-Forwarded-For': ['6.6.6.6', '7.7.7.7, 8.8.8.8'] } },
  { title: 'forged scheme', scheme: 'http', headers: { 'X-Forwarded-Proto': 'https' } },
  { title: 'forged scheme', scheme: 'https', headers: { 'X-Forwarded-Proto': 'http' } },
  { title: 'forged host', scheme: 'https', headers: { 'X-Forwarded-Host': 'evil.example' } },
  { title: 'other headers', scheme: 'http', headers: { 'X-Real-IP': '6.6.6.6', Forwarded: 'for=6.6.6.6' } },
]

/** What an app should see of a request. */
export function truthAbout({ scheme, host = HOST }) {
  return { address: CLIENT, scheme, host, url: `${scheme}://${host}/` }
}

/**
 * Sends a request to one site of the proxy.
 *
 * @param site The URLs of the site, by scheme.
 * @param certificate The one that the proxy has to show.
 * @returns What the app answered, which is what it saw.
 */
export async function ask({ scheme, host = HOST, headers = {} }, site, certificate) {
  const start = scheme === 'https' ? startSecureRequest : startRequest
  const options = { localAddress: CLIENT, agent: false, timeout: 10_000, servername: HOST, ca: certificate?.cert }
  const { status, body } = await new Promise((resolve, reject) => {
    const req = start(site[scheme], { ...options, headers: { Host: host, ...headers } }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (part) => (text += part))
      res.once('end', () => resolve({ status: res.statusCode, body: text })).once('error', reject)
    })
    req.once('timeout', () => req.destroy(new Error('no answer in 10 seconds')))
    req.once('error', (error) => reject(new Error(`A request to ${site[scheme]} failed: ${error.message}`))).end()
  })
  if (status !== 200) throw new Error(`A request to ${site[scheme]} was answered with ${status}: ${body.trim()}`)
  return JSON.parse(body)
}
