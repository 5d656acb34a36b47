// How the tour speaks.

const coloured = process.stdout.isTTY === true && !process.env.NO_COLOR
const style = (code) => (text) => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text)
export const bold = style(1)
export const dim = style(2)
export const green = style(32)

const WIDTH = 14

export function say(text = '') {
  process.stdout.write(`${text}\n`)
}

export function step(number, title) {
  say(`\n${bold(`${number}. ${title}`)}`)
}

/** A fact, with what it is about in front. */
export function fact(label, text) {
  say(`   ${dim(label.padEnd(WIDTH))}${text}`)
}

export function size(bytes) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const unit = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1)
  return `${unit === 0 ? bytes : (bytes / 1024 ** unit).toFixed(1)} ${unit === 0 && bytes === 1 ? 'byte' : units[unit]}`
}

export function speed(bytes, milliseconds) {
  const time = `${size(bytes)} in ${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`
  // Of a few bytes the speed says nothing.
  return bytes < 2 ** 20 ? time : `${time}, ${Math.round(bytes / milliseconds / 1000)} MB/s`
}

export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
