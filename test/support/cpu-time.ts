/** The milliseconds of CPU time that work takes: whatever else the machine is doing, unlike the time on a clock. */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** How long a text is whose time is measured. Code with mutants in it counts what it runs, and takes a hundred times as long. */
export function longLength(length: number): number {
  return process.env['STRYKER_MUTATOR_WORKER'] ? length / 100 : length
}
