/**
 * Adds up vitest's JSON reports and prints `N passed, N failed`. A report that is not there, a file that did not come as
 * far as its tests, and a test that was skipped are failures: without a result nothing was shown.
 */
import { readFileSync } from 'node:fs'

function count(path) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
      readFileSync(path, 'utf8'),
    )
    const isBroken = ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((test) => test.status !== 'failed')
    const failed = numFailedTests + numPendingTests + numTodoTests + testResults.filter(isBroken).length
    return { passed: numPassedTests, failed: numPassedTests + failed === 0 ? 1 : failed }
  } catch {
    return { passed: 0, failed: 1 }
  }
}

const counts = process.argv.slice(2).map(count)
const passed = counts.reduce((sum, report) => sum + report.passed, 0)
const failed = counts.reduce((sum, report) => sum + report.failed, 0)
process.stdout.write(`${passed} passed, ${failed} failed\n`)
if (failed > 0) process.exitCode = 1
