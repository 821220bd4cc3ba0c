import { readFileSync } from 'node:fs'

export interface UserIdentity {
  readonly uid: number
  readonly gid: number
}

/** @throws when this machine has no user of the name */
export function findUser(name: string): UserIdentity {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined) throw new Error(`this machine has no user ${name}`)
  return { uid: Number(uid), gid: Number(gid) }
}

export function isRoot(): boolean {
  return process.getuid?.() === 0
}
