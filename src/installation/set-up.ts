import { systemCaller } from '../actors/caller.ts'
import type { CommandRunner } from '../commands/command-runner.ts'
import { KeywardError } from '../errors/keyward-error.ts'
import type { PrismaClient } from '../generated/prisma/client.ts'
import type { KeyCommands } from '../keys/key-commands.ts'
import type { RandomBytes } from '../lib/random.ts'
import type { Envelope } from '../secrets/envelope.ts'
import type { Passwords } from '../users/passwords.ts'
import { bootstrapInstallationCommand } from './bootstrap-installation.ts'
import type { FirstStart } from './first-start.ts'
import { findPlatformTenantId } from './installation-store.ts'
import type { UnseenCredentials } from './unseen-credentials.ts'

export interface SetUpDeps {
  readonly prisma: PrismaClient
  readonly commands: CommandRunner
  readonly passwords: Passwords
  readonly envelope: Envelope
  readonly keyCommands: KeyCommands
  readonly newId: () => string
  readonly randomBytes: RandomBytes
  /** Where credentials wait until they are shown; null when there is no such place, then only the caller has them. */
  readonly unseen: UnseenCredentials | null
}

export interface SetUpOptions {
  readonly adminEmail: string
  readonly adminPassword: string | undefined
  readonly verifierToken: string | undefined
  readonly withStarterTenant: boolean
}

export interface SetUp {
  readonly platformTenantId: string
  /** Null when the installation was there already and all was shown. */
  readonly firstStart: FirstStart | null
}

const PASSWORD_BYTES = 18

/** Finds the installation, or sets up an empty one. */
export async function setUpInstallation(deps: SetUpDeps, options: SetUpOptions): Promise<SetUp> {
  const existing = await findPlatformTenantId(deps.prisma)
  if (existing !== null) return { platformTenantId: existing, firstStart: (await deps.unseen?.read()) ?? null }

  const { adminEmail, withStarterTenant } = options
  const adminPassword = options.adminPassword ?? Buffer.from(deps.randomBytes(PASSWORD_BYTES)).toString('base64url')
  const verifierToken = options.verifierToken ?? null
  const keepUnseen = async (tokens: Pick<FirstStart, 'verifierToken' | 'demoToken'>) =>
    deps.unseen?.keep({ adminEmail, adminPassword, ...tokens })
  try {
    const { platformTenantId, ...tokens } = await deps.commands.run(
      bootstrapInstallationCommand({ ...deps, keepUnseen }),
      systemCaller(deps.newId()),
      { adminEmail, adminPassword, verifierToken, withStarterTenant },
    )
    return { platformTenantId, firstStart: { adminEmail, adminPassword, ...tokens } }
  } catch (error) {
    const platformTenantId = await findPlatformTenantId(deps.prisma)
    if (error instanceof KeywardError && error.code === 'CONFLICT' && platformTenantId !== null) {
      return { platformTenantId, firstStart: null }
    }
    throw error
  }
}
