// The fault suite loads this into an action (NODE_OPTIONS=--import): its time of day is off by CLOCK_SHIFT_MS, as on a
// machine with a wrong clock. Timers and performance.now() do not change.
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
