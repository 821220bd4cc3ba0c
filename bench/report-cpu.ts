/** Answers each message of the parent with the processor time that this process has used, in microseconds. */
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
process.on('disconnect', () => process.exit())
