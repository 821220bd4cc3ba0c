import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

/** A browser that talks to nobody but the pages that it is sent to. */
export async function launchChromium(
  executablePath: string = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
): Promise<Browser> {
  if (!existsSync(executablePath)) {
    throw new Error(
      `There is no Chromium at ${executablePath}. Install it (on Debian: apt-get install chromium), or set CHROMIUM_PATH.`,
    )
  }
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })
}
