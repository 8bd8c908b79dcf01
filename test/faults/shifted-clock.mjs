// Loaded into an action (NODE_OPTIONS=--import) by the fault suite: its time of day is off by CLOCK_SHIFT_MS, as on a
// machine whose clock is wrong. Timers and performance.now() go on as they are, as they do there.
const shift = Number(process.env.CLOCK_SHIFT_MS)
const RealDate = Date
globalThis.Date = class extends RealDate {
  constructor(...values) {
    if (values.length === 0) super(RealDate.now() + shift)
    else super(...values)
  }
  static now() {
    return RealDate.now() + shift
  }
}
