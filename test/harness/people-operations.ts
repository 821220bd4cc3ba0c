import { graphql } from '../generated/graphql/gql.ts'

/** What people do about accounts and members. */
export const UserRegister = graphql(`
  mutation UserRegister($input: UserRegisterInput!) {
    userRegister(input: $input) {
      __typename
      ... on UserRegisterPayload { user { id email name memberships { role } } }
      ... on UserError { code message path }
    }
  }
`)

export const PasswordChange = graphql(`
  mutation PasswordChange($input: PasswordChangeInput!) {
    passwordChange(input: $input) {
      __typename
      ... on PasswordChangePayload { user { id } }
      ... on UserError { code message path }
    }
  }
`)

export const PasswordReset = graphql(`
  mutation PasswordReset($input: PasswordResetInput!) {
    passwordReset(input: $input) {
      __typename
      ... on PasswordResetPayload { user { id email } }
      ... on UserError { code message path }
    }
  }
`)

export const Users = graphql(`
  query Users($search: String, $first: Int, $after: String) {
    users(search: $search, first: $first, after: $after) {
      totalCount pageInfo { hasNextPage endCursor } nodes { id email name memberships { role tenant { id } } }
    }
  }
`)

export const UserSessionsEnd = graphql(`
  mutation UserSessionsEnd($id: ID!) {
    userSessionsEnd(id: $id) {
      __typename
      ... on UserSessionsEndPayload { endedCount user { id } }
      ... on UserError { code message path }
    }
  }
`)

export const UserPasswordResetCreate = graphql(`
  mutation UserPasswordResetCreate($id: ID!) {
    userPasswordResetCreate(id: $id) {
      __typename
      ... on UserPasswordResetCreatePayload { resetToken resetUrl expiresAt user { id email } }
      ... on UserError { code message path }
    }
  }
`)

export const UserDelete = graphql(`
  mutation UserDelete($id: ID!, $confirmEmail: String!) {
    userDelete(id: $id, confirmEmail: $confirmEmail) {
      __typename
      ... on UserDeletePayload { deletedId }
      ... on UserError { code message path }
    }
  }
`)

export const MemberInvite = graphql(`
  mutation MemberInvite($input: MemberInviteInput!) {
    memberInvite(input: $input) {
      __typename
      ... on MemberInvitePayload {
        acceptToken
        acceptUrl
        invitation {
          id email role status createdAt expiresAt tenant { id } invitedBy { ... on User { id } ... on ApiKey { id } }
        }
      }
      ... on UserError { code message path }
    }
  }
`)

export const InvitationAccept = graphql(`
  mutation InvitationAccept($input: InvitationAcceptInput!) {
    invitationAccept(input: $input) {
      __typename
      ... on InvitationAcceptPayload { membership { user { id email name } tenant { id } role } }
      ... on UserError { code message path }
    }
  }
`)

export const InvitationRevoke = graphql(`
  mutation InvitationRevoke($id: ID!) {
    invitationRevoke(id: $id) {
      __typename
      ... on InvitationRevokePayload { invitation { id status revokedAt } }
      ... on UserError { code message path }
    }
  }
`)

export const MemberRoleSet = graphql(`
  mutation MemberRoleSet($input: MemberRoleSetInput!) {
    memberRoleSet(input: $input) {
      __typename
      ... on MemberRoleSetPayload { membership { user { id } tenant { id } role } }
      ... on UserError { code message path }
    }
  }
`)

export const MemberRemove = graphql(`
  mutation MemberRemove($input: MemberRemoveInput!) {
    memberRemove(input: $input) {
      __typename
      ... on MemberRemovePayload { tenant { id } }
      ... on UserError { code message path }
    }
  }
`)

export const Members = graphql(`
  query Members($tenantId: ID!, $first: Int, $after: String) {
    members(tenantId: $tenantId, first: $first, after: $after) {
      totalCount pageInfo { hasNextPage endCursor } nodes { role user { id email } }
    }
    invitations(tenantId: $tenantId, first: $first) { totalCount nodes { id email role status } }
  }
`)
