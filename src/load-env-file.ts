/**
 * Preloaded by npm's scripts (`node --import`): what stands in `.env` of the working folder becomes part of the
 * environment, unless it is set there already. Apart from config.ts, so that tests and containers see no such file.
 */
import { existsSync } from 'node:fs'

if (existsSync('.env')) process.loadEnvFile('.env')
