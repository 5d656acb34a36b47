// The page: shows what it is told and asks for what is clicked. It has `window.queue` of the preload script, and nothing
// else of the app.

const element = (id) => document.getElementById(id)
const number = new Intl.NumberFormat()
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const calendar = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
})
const NOTHING = { waiting: 'Nothing waits to be sent.', sent: 'Nothing was sent yet.' }
const MORE = { waiting: 'behind these', sent: 'before these' }

let shown

function message({ phase, problem, wasInterrupted, waiting, sent }) {
  const notes = waiting.count === 1 ? '1 note waits' : `${number.format(waiting.count)} notes wait`
  if (phase === 'stopped') return `Sending has stopped: ${problem}. ${notes} here, none is lost.`
  if (phase === 'offline') {
    return waiting.count === 0 ? 'Offline. What you add is kept here.' : `Offline. ${notes} here, safe on the disk.`
  }
  if (phase === 'retrying') return `Not sent: ${problem}. ${notes}.`
  if (waiting.count > 0) return problem ? `Trying again: ${problem}.` : `Sending. ${notes}.`
  if (wasInterrupted && sent.count > 0) return 'The app was interrupted last time. All notes were kept, and are sent.'
  return sent.count === 0 ? 'Online. What you add is sent at once.' : 'All notes are sent.'
}

/** Beside the message, which would be read aloud each second. */
function countDown() {
  const seconds = shown?.phase === 'retrying' ? Math.max(0, Math.ceil((shown.retryAt - Date.now()) / 1000)) : undefined
  say('countdown', seconds === undefined ? '' : `Again in ${seconds} s`)
}

function item({ seq, time, text }) {
  const entry = document.createElement('li')
  entry.dataset.seq = seq
  const content = document.createElement('span')
  content.textContent = text
  const when = document.createElement('time')
  when.dateTime = new Date(time).toISOString()
  // After some days offline the hour alone says little.
  const isToday = new Date(time).toDateString() === new Date().toDateString()
  when.textContent = (isToday ? clock : calendar).format(time)
  entry.append(content, when)
  return entry
}

function fill(name, { count, items }) {
  say(`${name}-count`, number.format(count))
  element(name).replaceChildren(...items.map(item))
  const hidden = count - items.length
  const more = hidden > 0 ? `${number.format(hidden)} more ${MORE[name]}.` : ''
  say(`${name}-note`, count === 0 ? NOTHING[name] : more)
}

/** Sets what has changed only: a screen reader says it each time. */
function say(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text
}

function show(state) {
  shown = state
  element('status').dataset.phase = state.phase
  say('message', message(state))
  countDown()
  element('retry').hidden = state.phase !== 'retrying'
  element('online').ariaChecked = state.online
  element('online').disabled = false
  element('add').disabled = false
  fill('waiting', state.waiting)
  fill('sent', state.sent)
}

/** What Electron puts in front of a message is of no use here. */
const plain = (error) => error.message.replace(/^Error invoking remote method '[^']*': (?:\w*Error: )?/, '')

element('form').addEventListener('submit', async (event) => {
  event.preventDefault()
  const input = element('text')
  const text = input.value.trim()
  if (text === '') return
  element('add').disabled = true
  try {
    await window.queue.add(text)
    input.value = ''
    say('failure', '')
  } catch (error) {
    // The text stays in the field: it is nowhere else.
    say('failure', `Not saved: ${plain(error)}`)
  } finally {
    element('add').disabled = false
    input.focus()
  }
})
element('online').addEventListener('click', () => window.queue.setOnline(!shown.online))
element('retry').addEventListener('click', () => window.queue.retry())
setInterval(countDown, 1000)

window.queue.onState(show)
window.queue.state().then(show, (error) => {
  element('status').dataset.phase = 'stopped'
  say('message', `The queue cannot be read: ${plain(error)}`)
})
