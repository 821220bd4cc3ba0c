import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { launchChromium } from './browser/chromium.ts'
import { readProxyVersion } from './proxies/proxy-process.ts'
import { asSuperuser } from './superuser.ts'

const NOTHING_LISTENS = '127.0.0.1:1'

async function pingRedis(url: string = process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379'): Promise<string> {
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null })
  redis.on('error', () => {})
  try {
    await redis.connect()
    return await redis.ping()
  } catch (error) {
    throw new Error(
      `No Redis answers at ${new URL(url).host}: ${error}. ` +
        'Install it (on Debian: apt-get install redis-server), or set TEST_REDIS_URL.',
    )
  } finally {
    redis.disconnect()
  }
}

async function readChromiumVersion(executablePath?: string): Promise<string> {
  const browser = await launchChromium(executablePath)
  try {
    return browser.version()
  } finally {
    await browser.close()
  }
}

describe('a machine that runs the system tests', () => {
  test('has a PostgreSQL that lets a superuser in', async () => {
    expect(await asSuperuser(['SELECT rolsuper FROM pg_roles WHERE rolname = current_user'])).toEqual([
      { rolsuper: true },
    ])
  })

  test('has a Redis', async () => {
    expect(await pingRedis()).toBe('PONG')
  })

  test('has a Chromium', async () => {
    expect(await readChromiumVersion()).toMatch(/^\d+\./)
  })

  test('has an nginx', async () => {
    expect(await readProxyVersion('nginx')).toMatch(/^nginx version: nginx\/\d/)
  })

  test('has a Caddy', async () => {
    expect(await readProxyVersion('caddy')).toMatch(/^v?\d+\./)
  })
})

test.each<[service: string, ask: () => Promise<unknown>]>([
  ['postgresql', () => asSuperuser([], `postgresql://postgres@${NOTHING_LISTENS}/postgres`)],
  ['redis-server', () => pingRedis(`redis://${NOTHING_LISTENS}`)],
  ['chromium', () => readChromiumVersion('/nonexistent')],
  ['nginx', () => readProxyVersion('nginx', '/nonexistent')],
  ['caddy', () => readProxyVersion('caddy', '/nonexistent')],
])('where %s is missing, whoever runs the tests is told how to install it', async (service, ask) => {
  await expect(ask()).rejects.toThrow(`apt-get install ${service}`)
})
