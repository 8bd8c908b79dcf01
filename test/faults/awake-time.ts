const TICK_MS = 20
/** A tick that comes later than this was held up by a machine that let nobody run. */
const LATEST_TICK_MS = 100

let awakeMs = 0
let last = performance.now()
setInterval(() => {
  const now = performance.now()
  awakeMs += Math.min(now - last, LATEST_TICK_MS)
  last = now
}, TICK_MS).unref()

/** Milliseconds since some fixed moment, without those in which the machine stood still: they are no fault of a step. */
export function awakeTime(): number {
  return awakeMs
}
