/** What a signing secret is sealed for: the secret of one key can never be passed off as that of another. */
export function signingSecretPurpose(apiKeyId: string): string {
  return `signing secret of ${apiKeyId}`
}
