const TICK_MS = 20
/** A tick that is later than this was delayed by a machine that ran no process. */
const LATEST_TICK_MS = 100

let awakeMs = 0
let last = performance.now()
setInterval(() => {
  const now = performance.now()
  awakeMs += Math.min(now - last, LATEST_TICK_MS)
  last = now
}, TICK_MS).unref()

/** Milliseconds since a fixed moment, without those in which the machine ran no process: a step can't prevent them. */
export function awakeTime(): number {
  return awakeMs
}
