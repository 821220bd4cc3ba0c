import { chunksOf } from '../commands/bulk-document.ts'
import { serveThread, yieldProcessor } from '../lib/thread.ts'
import { countStrategies } from './count-strategies.ts'
import { generateScopes } from './generate-scopes.ts'
import type { ReadingAnswer, ReadingOrder } from './openapi-reader.ts'
import { OpenApiFault, readOpenApi } from './read-openapi.ts'

/** Reads a document and derives from it what is asked for, so that nothing else of it leaves the thread. */
yieldProcessor()
serveThread<ReadingOrder, ReadingAnswer>(async ({ document, options }, sendPieces) => {
  try {
    const summary = await readOpenApi(Buffer.concat(document).toString('utf8'))
    if (options === null) return { analysis: countStrategies(summary) }
    const { title, version, basePath } = summary
    const { scopes, operations, warnings } = generateScopes(summary, options)
    return {
      derived: { title, version, basePath, operationCount: summary.operations.length, warnings },
      scopes: sendPieces(chunksOf(scopes)),
      operations: sendPieces(chunksOf(operations)),
    }
  } catch (error) {
    if (error instanceof RangeError) return { fault: 'The document is nested too deeply.' }
    if (error instanceof OpenApiFault) return { fault: error.message }
    throw error
  }
})
