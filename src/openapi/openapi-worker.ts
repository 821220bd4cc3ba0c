import { parentPort, workerData } from 'node:worker_threads'
import { OpenApiFault, readOpenApi } from './read-openapi.ts'

/** A thread that reads one document and ends. */
try {
  parentPort?.postMessage({ summary: await readOpenApi(String(workerData)) })
} catch (error) {
  if (!(error instanceof OpenApiFault)) throw error
  parentPort?.postMessage({ fault: error.message })
}
