/**
 * Did the tests notice a mutant? Stryker's own runner looks at tests only, and takes a mutant that keeps a test
 * file from being loaded, so that none of its tests exist, for one that survived. Here, such a file has failed.
 */

import { strykerPlugins as vitestPlugins } from '@stryker-mutator/vitest-runner'

/** What the option `vitest` may hold. */
export { strykerValidationSchema } from '@stryker-mutator/vitest-runner'

/** Stryker's number for it. */
const FAILED = 1

const [{ factory, ...plugin }] = vitestPlugins

createStrictRunner.inject = factory.inject

/** Stands in for the plugin of the same name. */
export const strykerPlugins = [{ ...plugin, factory: createStrictRunner }]

function createStrictRunner(injector) {
  const runner = factory(injector)
  const run = runner.run.bind(runner)
  runner.run = async (options) => {
    const result = await run(options)
    if (result.status !== 'complete') return result
    return { ...result, tests: [...result.tests, ...filesThatFailed(runner.ctx.state.getFiles())] }
  }
  return runner
}

function filesThatFailed(files) {
  return files
    .filter(({ result }) => result?.state === 'fail' && result.errors?.length > 0)
    .map(({ name, result }) => ({
      id: name,
      name: `${name} can be loaded`,
      timeSpentMs: 0,
      status: FAILED,
      failureMessage: result.errors[0].message,
    }))
}
