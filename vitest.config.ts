import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** `npm test` runs the project `main`, which needs nothing but npm; `npm run test:system` runs `system`, which needs services. */
export default defineConfig({
  resolve: {
    // Vite would take the package's ESM copy for us while Node takes the CommonJS copy for every library, and two copies
    // of graphql refuse each other's objects.
    alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) }],
  },
  test: {
    globalSetup: ['test/harness/global-setup.ts'],
    // Machines are noisy: a deadline is for what hangs, not for what is slow.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'main', include: ['test/**/*.test.ts'], exclude: ['test/system/**'] } },
      { extends: true, test: { name: 'system', include: ['test/system/**/*.test.ts'] } },
    ],
  },
})
