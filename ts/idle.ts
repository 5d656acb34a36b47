/** Gives up what reads hold in memory when nobody has asked them for anything in a while. */

/** After so many milliseconds, or up to twice as many. */
const IDLE_MS = 1000

/** What can be given up. @internal */
export interface Idler {
  /** Called now and then; returns whether there is nothing left to give up. */
  rest(): boolean
}

const watched = new Set<Idler>()
let timer: NodeJS.Timeout | undefined

/** From now on it is called until it says that it has nothing. May be called again. @internal */
export function watch(idler: Idler): void {
  watched.add(idler)
  // Does not keep the process alive.
  timer ??= setInterval(look, IDLE_MS).unref()
}

function look(): void {
  for (const idler of watched) if (idler.rest()) watched.delete(idler)
  if (watched.size > 0) return
  clearInterval(timer)
  timer = undefined
}
