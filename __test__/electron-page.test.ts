// The page of the example app for Electron, in a headless Chromium, with its preload script and the real queue behind it.

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { chromiumPath, startChromium } from './support/chromium.js'
import { folder } from './support/folder.js'

const app = (name: string) => new URL(`../examples/electron/${name}`, import.meta.url)
const { OfflineQueue } = await import(app('queue.mjs').href)
const page = app('window/index.html').href
const preload = readFileSync(app('preload.cjs'), 'utf8')
/** Where to put pictures of the page, if they are wanted. */
const pictures = process.env.PSTREAM_SCREENSHOTS

const path = chromiumPath()
if (path === undefined) console.log('skipped: there is no Chromium (CHROMIUM may name one)')
const inChromium = test.runIf(path !== undefined)

let browser: Browser
beforeAll(async () => {
  if (path !== undefined) browser = await startChromium(path)
})
afterAll(() => browser?.close())

interface Look {
  readonly width?: number
  readonly colorScheme?: 'dark' | 'light'
}

/** A window on the queue, wired as in the main process. */
async function open(queue: InstanceType<typeof OfflineQueue>, { width = 880, colorScheme = 'light' }: Look = {}) {
  const view = { viewport: { width, height: 640 }, colorScheme, locale: 'en-GB', timezoneId: 'UTC' } as const
  const context = await browser.newContext(view)
  const window = await context.newPage()
  const complaints: string[] = []
  window.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  window.on('pageerror', (error) => complaints.push(String(error)))
  const handlers: Record<string, (value: unknown) => unknown> = {
    'queue:state': () => queue.snapshot(),
    'queue:add': (text) => queue.add(text),
    'queue:online': (online) => queue.setOnline(online),
    'queue:retry': () => queue.retry(),
  }
  await window.exposeFunction('invoke', async (channel: string, value: unknown) => {
    try {
      return { value: await handlers[channel]?.(value) }
    } catch (error) {
      // As Electron words it.
      return { error: `Error invoking remote method '${channel}': ${error}` }
    }
  })
  await window.addInitScript({
    content: `{
      const listeners = []
      window.pushState = (state) => listeners.forEach((listener) => listener({}, state))
      const invoke = async (channel, value) => {
        const answer = await window.invoke(channel, value)
        if (answer.error) throw new Error(answer.error)
        return answer.value
      }
      const electron = {
        contextBridge: { exposeInMainWorld: (name, api) => { window[name] = api } },
        ipcRenderer: { invoke, on: (channel, listener) => channel === 'queue:state' && listeners.push(listener) },
      }
      const require = (name) => name === 'electron' && electron
      ${preload}
    }`,
  })
  onTestFinished(async () => {
    await context.close()
    await queue.close()
  })
  await window.goto(page)
  // To a window that is gone already nothing is said.
  const tell = (state: unknown) => window.evaluate(`window.pushState(${JSON.stringify(state)})`).catch(() => {})
  queue.watch(tell, 1)
  return { window, complaints }
}

const message = (window: Page) => window.getByRole('status')

async function says(window: Page, text: RegExp): Promise<void> {
  await message(window).filter({ hasText: text }).waitFor({ timeout: 5000 })
}

async function picture(window: Page, name: string): Promise<void> {
  if (pictures === undefined) return
  mkdirSync(pictures, { recursive: true })
  await window.screenshot({ path: join(pictures, `${name}.png`) })
}

const items = (window: Page, list: string) => window.getByRole('list', { name: list }).getByRole('listitem')

async function add(window: Page, ...texts: string[]): Promise<void> {
  for (const text of texts) {
    await window.getByLabel('New note').fill(text)
    await window.getByRole('button', { name: 'Add' }).click()
    // The field is emptied when the note is safe.
    await expect.poll(() => window.getByLabel('New note').inputValue()).toBe('')
  }
}

const NOTES = ['Call the harbour master', 'Water level at the lock: 3.42 m', 'Photograph the new buoy']

inChromium('offline notes wait, online they are sent; by keyboard, too', async () => {
  const queue = await OfflineQueue.open(folder(), async () => {}, { online: false })
  const { window, complaints } = await open(queue)
  await says(window, /^Offline\. What you add is kept here\.$/)
  await add(window, ...NOTES)
  await says(window, /^Offline\. 3 notes wait here, safe on the disk\.$/)
  expect(await items(window, 'Waiting').locator('span').allTextContents()).toEqual(NOTES)
  expect(await window.getByRole('heading', { name: 'Waiting 3' }).count()).toBe(1)

  const toggle = window.getByRole('switch', { name: 'Online' })
  expect(await toggle.getAttribute('aria-checked')).toBe('false')
  await toggle.focus()
  await window.keyboard.press('Space')
  await says(window, /^All notes are sent\.$/)
  expect(await toggle.getAttribute('aria-checked')).toBe('true')
  expect(await items(window, 'Sent').locator('span').allTextContents()).toEqual([...NOTES].reverse())
  expect(await window.getByText('Nothing waits to be sent.').isVisible()).toBe(true)

  await window.getByLabel('New note').fill('from the keyboard')
  await window.keyboard.press('Enter')
  await window.getByRole('heading', { name: 'Sent 4' }).waitFor()
  expect(complaints).toEqual([])
})

inChromium('a failure is told, and gone when the server is back', async () => {
  let failing = true
  const send = async () => {
    if (failing) throw new Error('the server answers with status 503')
  }
  const queue = await OfflineQueue.open(folder(), send, { retryMs: 20_000 })
  const { window, complaints } = await open(queue)
  await says(window, /^Online\. What you add is sent at once\.$/)
  expect(await window.getByRole('button', { name: 'Send now' }).isVisible()).toBe(false)
  await add(window, 'a note')
  await says(window, /^Not sent: the server answers with status 503\. 1 note waits\.$/)
  expect(await window.getByText(/^Again in \d+ s$/).isVisible()).toBe(true)
  failing = false
  await window.getByRole('button', { name: 'Send now' }).click()
  await says(window, /^All notes are sent\.$/)
  expect(complaints).toEqual([])
})

inChromium('what could not be saved stays in the field, and the page says why', async () => {
  const queue = await OfflineQueue.open(folder(), async () => {}, { online: false })
  const { window } = await open(queue)
  await says(window, /^Offline/)
  queue.add = async () => {
    throw Object.assign(new Error('the disk is full'), { name: 'NoSpaceError' })
  }
  await window.getByLabel('New note').fill('precious')
  await window.keyboard.press('Enter')
  await window
    .getByRole('alert')
    .filter({ hasText: /^Not saved: the disk is full$/ })
    .waitFor()
  expect(await window.getByLabel('New note').inputValue()).toBe('precious')
})

inChromium('of many notes the next are shown, and how many there are besides', async () => {
  const queue = await OfflineQueue.open(folder(), async () => {}, { online: false })
  await Promise.all(Array.from({ length: 1234 }, (_, index) => queue.add(`note ${index}`)))
  const { window, complaints } = await open(queue)
  await says(window, /^Offline\. 1,234 notes wait here, safe on the disk\.$/)
  expect(await window.getByText('1,134 more behind these.').isVisible()).toBe(true)
  expect(await items(window, 'Waiting').count()).toBe(100)
  await window.getByRole('switch', { name: 'Online' }).click()
  await window.getByText('1,214 more before these.').waitFor({ timeout: 20_000 })
  expect(await window.getByRole('heading', { name: 'Sent 1,234' }).count()).toBe(1)
  expect(complaints).toEqual([])
})

inChromium('of another day the date is said', async () => {
  const queue = await OfflineQueue.open(folder(), async () => {}, { online: false })
  const { window } = await open(queue)
  await add(window, 'of today')
  const times = items(window, 'Waiting').getByRole('time')
  expect(await times.allTextContents()).toEqual([expect.stringMatching(/^\d\d:\d\d:\d\d$/)])
  const state = await queue.snapshot()
  state.waiting.items[0].time = Date.UTC(2020, 1, 3, 4, 5)
  await window.evaluate(`window.pushState(${JSON.stringify(state)})`)
  expect(await times.allTextContents()).toEqual(['3 Feb, 04:05'])
})

inChromium.each([360, 880])(
  'a queue that cannot be read: nothing is said of what is in it, at a width of %d',
  async (width) => {
    const queue = await OfflineQueue.open(folder(), async () => {}, { online: false })
    const message = `'/${'a-long-path'.repeat(12)}' is damaged`
    queue.snapshot = async () => {
      throw new Error(message)
    }
    queue.watch = async () => {}
    const { window } = await open(queue, { width })
    await says(window, /^The queue cannot be read: .* is damaged$/)
    expect(await window.locator('#status').getAttribute('data-phase')).toBe('stopped')
    expect(await window.getByText(/^Nothing/).count()).toBe(0)
    const excess = `const { scrollWidth, clientWidth } = document.querySelector('#status'); scrollWidth - clientWidth`
    expect(await window.evaluate(excess)).toBe(0)
    expect(await window.getByRole('button', { name: 'Add' }).isDisabled()).toBe(true)
  },
)

inChromium('a note is text, whatever is in it, and nothing but the scripts of the app runs', async () => {
  const queue = await OfflineQueue.open(folder(), async () => {}, { online: false })
  const { window, complaints } = await open(queue)
  const nasty = '<img src=x onerror="window.broken = true"><script>window.broken = true</script>'
  await add(window, nasty)
  await items(window, 'Waiting').filter({ hasText: nasty }).waitFor()
  expect(await window.evaluate('window.broken')).toBeUndefined()
  expect(complaints).toEqual([])
  const inline = `const script = document.createElement('script'); script.textContent = 'window.broken = true'; document.body.append(script)`
  await window.evaluate(inline)
  expect(await window.evaluate('window.broken')).toBeUndefined()
  expect(complaints.join()).toContain('Content Security Policy')
})

const looks: [string, Look][] = [
  ['light', {}],
  ['dark', { colorScheme: 'dark' }],
  ['narrow-light', { width: 360 }],
  ['narrow-dark', { width: 360, colorScheme: 'dark' }],
]

inChromium.each(looks)('it fits: %s', async (name, look) => {
  let accepted = 0
  const send = async () => {
    accepted += 1
    if (accepted > 3) throw new Error('the server cannot be reached')
  }
  const queue = await OfflineQueue.open(folder(), send, { retryMs: 8000 })
  const { window, complaints } = await open(queue, look)
  await add(window, 'Tide tables for next week', ...NOTES.slice(0, 2), ...NOTES.slice(2))
  await add(
    window,
    `A long one: ${'supercalifragilistic'.repeat(4)} and on with words until it needs more than one line`,
  )
  await says(window, /^Not sent: the server cannot be reached\. 2 notes wait/)
  await picture(window, name)
  // Nothing is cut off or scrolled sideways, and the lists have room.
  expect(await window.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
  expect(await window.evaluate('document.documentElement.scrollHeight - innerHeight')).toBe(0)
  for (const list of ['Waiting', 'Sent']) {
    expect((await window.getByRole('list', { name: list }).boundingBox())?.height).toBeGreaterThan(80)
  }
  const dark = await window.evaluate('getComputedStyle(document.body).backgroundColor')
  expect(dark).toBe(look.colorScheme === 'dark' ? 'rgb(22, 24, 29)' : 'rgb(245, 246, 248)')
  expect(complaints).toEqual([])
})
