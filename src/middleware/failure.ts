/**
 * What becomes of an error of what stands in front of an app? The request is answered, as a framework would, and what is no
 * fault of the client's is shown on standard error. An error that ends the process can be had by any client.
 */

import type { NodeRequest } from '../request/node-request.ts'
import type { NodeResponse } from '../request/node-response.ts'
import { answerOnResponse, answerOnSocket, type RawSocket, textAnswer } from './answer.ts'

/**
 * Answers with the error's `status` (or `statusCode`) from 400 to 599, with 500 otherwise.
 * @param second The response, or the connection of an upgrade.
 */
export function answerFailure(error: unknown, req: NodeRequest, second: unknown, connection?: object): void {
  const status = statusOf(error)
  if (status >= 500) console.error(`${req.method} ${JSON.stringify(req.url)} failed:`, error)
  const answer = textAnswer(status, status >= 500 ? 'Internal server error.\n' : 'Bad request.\n')
  if (connection !== undefined) {
    answerOnSocket(second as RawSocket, answer)
    return
  }
  const res = second as NodeResponse
  if (res.headersSent) {
    res.destroy() // cut short, so that the client does not take half an answer for a whole one
    return
  }
  for (const header of res.getHeaderNames()) res.removeHeader(header)
  answerOnResponse(res, answer, req.method === 'HEAD')
}

function statusOf(error: unknown): number {
  const { status, statusCode } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  const isStatus = (code: unknown): code is number =>
    Number.isInteger(code) && Number(code) >= 400 && Number(code) <= 599
  return [status, statusCode].find(isStatus) ?? 500
}
