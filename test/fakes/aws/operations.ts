/** The four operations that a task runner calls, by their names in the API reference. */
export const OPERATIONS = ['PollForTask', 'ReportTaskProgress', 'SetTaskStatus', 'ReportTaskRunnerHeartbeat'] as const

export type Operation = (typeof OPERATIONS)[number]

export function isOperation(name: string | undefined): name is Operation {
  return OPERATIONS.some((operation) => operation === name)
}
