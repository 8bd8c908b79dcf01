/** A task id as people see it: its beginning and end, and how long it is. */
export function shortTaskId(taskId: string): string {
  const characters = [...taskId]
  if (characters.length <= 40) return taskId
  return `${characters.slice(0, 12).join('')}…${characters.slice(-6).join('')} (${characters.length} characters)`
}
