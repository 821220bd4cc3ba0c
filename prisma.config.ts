import { defineConfig } from 'prisma/config'

/** For Prisma's own command line alone; the server is configured in src/config.ts. */
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? '' },
})
