import { type CreateSessionDeps, createSessionCommand } from './create-session.ts'
import { endSessionCommand } from './end-session.ts'
import { refreshSessionCommand } from './refresh-session.ts'

export type SessionCommands = ReturnType<typeof createSessionCommands>

/** The commands of a session's life, with the services that they share. */
export function createSessionCommands(deps: CreateSessionDeps) {
  return {
    create: createSessionCommand(deps),
    refresh: refreshSessionCommand(deps),
    end: endSessionCommand(deps),
  }
}
