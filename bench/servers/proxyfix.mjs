/** The apps that `proxyfix serve` serves, bare and with everything of a request at hand from anywhere. */

import { requestContext } from '../../dist/context/index.js'
import { connectionInfo } from '../../dist/index.js'
import { fetchApp, nodeApp } from './apps.mjs'

const fetchRequest = fetchApp((request) => connectionInfo(request).client.address)

export const node = nodeApp
export const nodeInContext = requestContext(nodeApp)
export const fetchHandler = { fetch: fetchRequest }
export const fetchInContext = requestContext({ fetch: fetchRequest })
