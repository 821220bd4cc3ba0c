import { acceptInvitationCommand } from './accept-invitation.ts'
import { changePasswordCommand } from './change-password.ts'
import { createPasswordResetCommand } from './create-password-reset.ts'
import { type CreateSessionDeps, createSessionCommand } from './create-session.ts'
import { endSessionCommand } from './end-session.ts'
import { type InviteMemberDeps, inviteMemberCommand } from './invite-member.ts'
import { refreshSessionCommand } from './refresh-session.ts'
import { registerUserCommand } from './register-user.ts'
import { resetPasswordCommand } from './reset-password.ts'

export type UserCommands = ReturnType<typeof createUserCommands>

export interface UserCommandsDeps extends CreateSessionDeps, InviteMemberDeps {
  readonly passwordResetTtlMs: number
  readonly passwordResetUrl: string | undefined
  /** Whether everybody may sign up. */
  readonly signupIsOpen: boolean
}

/** The commands of people, with the services that they share. */
export function createUserCommands(deps: UserCommandsDeps) {
  return {
    createSession: createSessionCommand(deps),
    refreshSession: refreshSessionCommand(deps),
    endSession: endSessionCommand(deps),
    register: registerUserCommand({ ...deps, isOpen: deps.signupIsOpen }),
    changePassword: changePasswordCommand(deps),
    createPasswordReset: createPasswordResetCommand(deps),
    resetPassword: resetPasswordCommand(deps),
    inviteMember: inviteMemberCommand(deps),
    acceptInvitation: acceptInvitationCommand(deps),
  }
}
