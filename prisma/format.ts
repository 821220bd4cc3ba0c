/** `npm run format` formats schema.prisma; `--check`, as in `npm run check`, fails where that would change anything. */
import { runPrisma } from './prisma-cli.ts'

const { status, error, stdout, stderr } = runPrisma(['format', ...process.argv.slice(2)])
if (status !== 0) {
  process.stderr.write(
    `schema.prisma is not as npm run format leaves it.\n${error ?? ''}${stdout ?? ''}${stderr ?? ''}`,
  )
  process.exitCode = 1
}
