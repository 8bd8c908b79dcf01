/** The milliseconds of CPU time that work takes: whatever else the machine is doing, unlike the time on a clock. */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
