/** Is this a place for `--dev`? Its page shows sources, and its reload runs whatever was written last. */

import { fail } from '../../trust/error.ts'

/** @throws ProxyFixError `ERR_PROXYFIX_OPTION` where the environment says that this is production. */
export function refuseInProduction(environment: Readonly<Record<string, string | undefined>>): void {
  if (environment['NODE_ENV']?.trim().toLowerCase() !== 'production') return
  fail('The option dev is for development, and NODE_ENV is production here: leave out the one or the other.')
}
