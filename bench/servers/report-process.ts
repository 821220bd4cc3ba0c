/**
 * Loaded into every server of the bench (`--import`): answers the parent's questions about this process, so that the
 * server itself need not know that it is measured.
 */
export interface ProcessReport {
  /** Processor time that the process has used. */
  readonly cpuMicros: number
  readonly rssBytes: number
  /** After a full collection, where the process was started with `--expose-gc`. */
  readonly heapBytes: number
}

process.on('message', (message) => {
  if (message === 'memory') globalThis.gc?.()
  if (message !== 'cpu' && message !== 'memory') return
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  const report: ProcessReport = { cpuMicros: user + system, rssBytes: rss, heapBytes: heapUsed + arrayBuffers }
  process.send?.(report)
})
// The parent is gone, or has heard enough.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
