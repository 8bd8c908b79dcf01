import type { Task } from '../aws/data-pipeline.ts'
import { fieldsOf } from '../polling/task-fields.ts'
import { FILE_COMMAND_VARIABLES } from './file-commands.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The inputs and the state of the action, and what GitHub gives to actions only, such as for tokens. */
const OMITTED = /^(INPUT_.*|STATE_.*|GITHUB_STATE|ACTIONS_.*)$/i

/** The variable that tells the processes of a task from all others. */
export const TASK_ID_VARIABLE = 'DATAPIPELINE_TASK_ID'

/** What a command gets besides the environment of the step. */
export interface CommandVariables {
  readonly task: Task
  /** The path of the JSON file with the fields of the task. */
  readonly fieldsFile: string
  readonly staging: Environment
  /** The variables of file commands; undefined for a command that may not use them. */
  readonly fileCommands: Environment | undefined
}

/** The environment of a command: that of the step, without what belongs to the action, and with what tells the task. */
export function commandEnvironment(
  step: Environment,
  { task, fieldsFile, staging, fileCommands }: CommandVariables,
): Record<string, string | undefined> {
  const isOmitted = (name: string): boolean => OMITTED.test(name) || FILE_COMMAND_VARIABLES.includes(name.toUpperCase())
  const { type } = fieldsOf(task)
  const variables = {
    ...Object.fromEntries(Object.entries(step).filter(([name]) => !isOmitted(name))),
    ...fileCommands,
    ...staging,
    [TASK_ID_VARIABLE]: task.taskId,
    DATAPIPELINE_PIPELINE_ID: task.pipelineId,
    DATAPIPELINE_ATTEMPT_ID: task.attemptId,
    DATAPIPELINE_TYPE: typeof type === 'string' ? type : '',
    DATAPIPELINE_FIELDS: fieldsFile,
  }
  // A variable can't have NUL, which ids of a response may have.
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, value?.replaceAll('\0', '')]))
}
