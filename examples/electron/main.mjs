// The main process: holds the queue, and shows it in a window that can do nothing else.

import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { app, BrowserWindow, dialog, ipcMain, powerMonitor } from 'electron'
import { startServer } from '../upload-queue/server.mjs'
import { OfflineQueue } from './queue.mjs'
import { sender } from './send.mjs'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const page = pathToFileURL(here('window/index.html')).href

let queue
let server
let window

function openWindow() {
  window = new BrowserWindow({
    width: 880,
    height: 640,
    minWidth: 360,
    minHeight: 480,
    title: 'Offline queue',
    webPreferences: { preload: here('preload.cjs'), contextIsolation: true, sandbox: true, nodeIntegration: false },
  })
  // The page stays, and opens nothing.
  window.webContents.setWindowOpenHandler(() => ({ action: 'deny' }))
  window.webContents.on('will-navigate', (event) => event.preventDefault())
  window.loadURL(page)
}

/** Answers our page alone. */
function handle(channel, answer) {
  ipcMain.handle(channel, (event, value) => {
    if (event.senderFrame?.url !== page) throw new Error('not for this page')
    return answer(value)
  })
}

async function start() {
  // In place of yours: one that answers with errors and loses answers, so that there is something to be seen.
  server = await startServer(Math.random, () => {})
  queue = await OfflineQueue.open(join(app.getPath('userData'), 'notes'), sender(server.url))
  handle('queue:state', () => queue.snapshot())
  handle('queue:add', (text) => {
    if (typeof text !== 'string' || text.trim() === '' || text.length > 10_000) throw new Error('not a note')
    return queue.add(text)
  })
  handle('queue:online', (online) => queue.setOnline(online === true))
  handle('queue:retry', () => queue.retry())
  queue
    .watch((state) => window && !window.isDestroyed() && window.webContents.send('queue:state', state))
    .catch((error) => dialog.showErrorBox('The queue cannot be read', error.message))
  // What was under way when the computer fell asleep is over; do not wait for it to time out.
  powerMonitor.on('resume', () => queue.retry())
  openWindow()
}

let closed = false
// When all windows have agreed to close, and nothing can call the quit off any more.
app.on('will-quit', (event) => {
  if (closed || queue === undefined) return
  event.preventDefault()
  queue
    .close()
    .then(() => server.close())
    .catch((error) => console.error(error))
    .finally(() => {
      closed = true
      app.quit()
    })
})
app.on('window-all-closed', () => app.quit())

// A second start shows the window of the first; the stream has one writer, and would refuse it with PSTREAM_LOCKED.
if (app.requestSingleInstanceLock()) {
  app.on('second-instance', () => {
    if (window?.isMinimized()) window.restore()
    window?.focus()
  })
  app
    .whenReady()
    .then(start)
    .catch((error) => {
      dialog.showErrorBox('The queue cannot be opened', `${error.message}\n\n${error.code ?? ''}`)
      app.quit()
    })
} else app.quit()
