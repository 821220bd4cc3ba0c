import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, loadavg, setPriority, totalmem } from 'node:os'

/**
 * Servers get the first processor for themselves and the load the others, so that they do not take turns on one. Where
 * it is allowed, both go before whatever else runs on the machine, unless that is a part of what is measured.
 */
const cores = cpus()
const canPin = cores.length > 1 && spawnSync('taskset', ['-V']).status === 0
const CPUS = { server: '0', load: cores.length > 2 ? `1-${cores.length - 1}` : '1' } as const
const PRIORITY = -15

export function settle(pid: number | undefined, role: keyof typeof CPUS, sharesMachine = false): void {
  if (pid === undefined) return
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', CPUS[role], String(pid)])
  const priority = sharesMachine ? 0 : PRIORITY
  try {
    if (!sharesMachine) setPriority(pid, priority)
    preferSession(priority)
  } catch {
    // Only the superuser may; then the bench waits its turn like everybody.
  }
}

/**
 * Where Linux shares the processors among sessions first and among their processes then (`sched_autogroup`), priorities
 * of processes count within their session alone. The bench gives its session back when it ends.
 */
export function preferSession(priority: number): void {
  try {
    writeFileSync('/proc/self/autogroup', String(priority))
  } catch {
    // Another system, or a kernel that does not group so.
  }
}

export function describeMachine(): string {
  const model = cores[0]?.model.trim()
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  const pinned = canPin ? 'servers and load on processors of their own' : 'servers and load not pinned'
  return `${model}, ${cores.length} cores, ${gigabytes} GB, Node ${process.versions.node}, ${pinned}`
}

/** Processes that wanted to run, on average over the last minute: beyond what the bench itself needs, it is noise. */
export function describeNoise(): string {
  return `load average ${loadavg()[0]?.toFixed(1)}`
}
