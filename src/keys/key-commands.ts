import { type CreateKeyDeps, createKeyCommand } from './create-key.ts'
import { importKeysCommand } from './import-keys.ts'
import { rotateKeyCommand } from './rotate-key.ts'
import { updateKeyCommand } from './update-key.ts'
import { updateKeysCommand } from './update-keys.ts'

export type KeyCommands = ReturnType<typeof createKeyCommands>

/** The commands of a key's life that need services, with those that they share. */
export function createKeyCommands(deps: CreateKeyDeps) {
  return {
    create: createKeyCommand(deps),
    update: updateKeyCommand(deps),
    updateMany: updateKeysCommand(deps),
    rotate: rotateKeyCommand(deps),
    import: importKeysCommand(deps),
  }
}
