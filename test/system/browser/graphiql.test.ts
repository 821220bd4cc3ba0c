import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN_PASSWORD, startTestApp, type TestApp } from '../../harness/app.ts'
import { uniqueName } from '../../harness/seed.ts'
import { launchChromium } from './chromium.ts'

let app: TestApp
let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
  app = await startTestApp()
})

afterAll(async () => {
  await browser?.close()
  await app?.stop()
})

/** What a page must not do, as it happens. */
interface Complaints {
  readonly foreignRequests: string[]
  readonly errors: string[]
}

async function openGraphiql(): Promise<{ page: Page; complaints: Complaints }> {
  const page = await browser.newPage({ viewport: { width: 1400, height: 850 } })
  page.setDefaultTimeout(100_000)
  const complaints: Complaints = { foreignRequests: [], errors: [] }
  const isOurs = (url: string) => ['blob:', 'data:', app.baseUrl].some((start) => url.startsWith(start))
  page.on('request', (request) => {
    if (!isOurs(request.url())) complaints.foreignRequests.push(request.url())
  })
  page.on('websocket', (socket) => complaints.foreignRequests.push(socket.url()))
  // Chromium reports violations of the content security policy as errors of the console.
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.errors.push(message.text())
  })
  page.on('pageerror', (error) => complaints.errors.push(String(error)))

  const introspection = page.waitForResponse((response) => response.request().method() === 'POST')
  await page.goto(`${app.baseUrl}/graphql`)
  expect(await (await introspection).json()).toHaveProperty('data.__schema')
  return { page, complaints }
}

const EDITORS = { query: 'Operation Editor', variables: 'Variables', headers: 'Headers' } as const

/** Replaces what stands in an editor, as a person would who pastes. */
async function fillIn(page: Page, editor: keyof typeof EDITORS, text: string): Promise<void> {
  await page.locator(`section[aria-label="${EDITORS[editor]}"] .monaco-editor[role="code"]:visible`).click()
  await page.keyboard.press('Control+A')
  await page.keyboard.insertText(text)
  // The editor closes brackets and quotes behind the cursor.
  await page.keyboard.press('Control+Shift+End')
  await page.keyboard.press('Delete')
}

/** As far as the operations below ask. */
interface Answer {
  readonly data: { readonly sessionCreate: { readonly accessToken: string }; readonly tenantCreate: unknown }
}

/** Runs the document, or the operation of that name where there are several, and returns what came back. */
async function run(page: Page, operation?: string): Promise<Answer> {
  const answered = page.waitForResponse((response) => response.request().method() === 'POST')
  await page.getByRole('button', { name: 'Execute query' }).click()
  if (operation !== undefined) await page.getByRole('menuitem', { name: operation }).click()
  const answer: Answer = await (await answered).json()
  return answer
}

function shown(page: Page) {
  return page.locator('section[aria-label="Result Window"]')
}

test('in GraphiQL an admin logs in, creates a tenant and sees it, and the page talks to nobody else', {
  timeout: 300_000,
}, async () => {
  const { page, complaints } = await openGraphiql()

  // The document that a newcomer finds, with nothing but the password filled in.
  await fillIn(
    page,
    'variables',
    JSON.stringify({ login: { email: app.firstStart.adminEmail, password: ADMIN_PASSWORD } }),
  )
  const session = await run(page, 'LogIn')
  const { accessToken } = session.data.sessionCreate
  expect(accessToken, JSON.stringify(session)).toBeTypeOf('string')
  await shown(page).getByText('accessToken').waitFor()

  await page.getByRole('button', { name: 'Headers' }).click()
  await fillIn(page, 'headers', JSON.stringify({ authorization: `Bearer ${accessToken}` }))
  const slug = uniqueName()
  await fillIn(
    page,
    'query',
    `mutation CreateTenant { tenantCreate(input: { name: "Shown in the browser", slug: "${slug}", keyPrefix: "shown" }) {
      ... on TenantCreatePayload { tenant { id name slug } } ... on UserError { code message }
    } }`,
  )
  // The tab takes the operation's name once the editor has understood the document.
  await page.getByRole('tab', { name: 'CreateTenant' }).waitFor()
  const created = await run(page)
  expect(created.data.tenantCreate).toMatchObject({ tenant: { slug } })
  await shown(page).getByText('Shown in the browser').waitFor()

  // Longer than the page waits before it stores what was typed.
  await page.waitForTimeout(1_500)
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href]))
  expect(kept).not.toMatch(new RegExp(`${ADMIN_PASSWORD}|${accessToken.slice(-20)}|tenantCreate|${slug}`))

  await page.screenshot({ path: join(tmpdir(), 'keyward-graphiql.png') })
  expect(complaints).toEqual({ foreignRequests: [], errors: [] })
  await page.close()
})
