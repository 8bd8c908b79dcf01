import type { Task } from '../aws/data-pipeline.ts'
import { runLine } from '../evidence/error-message.ts'
import type { Log } from '../github/log.ts'
import type { Runner } from '../github/runner.ts'
import { jobLink, workflowRunOf } from '../github/workflow-run.ts'
import type { ReportRequest } from '../inputs/reporting.ts'
import type { TaskRunnerInputs } from '../inputs/task-runner.ts'
import type { Decision } from '../report/decision.ts'
import { sendTaskReport } from '../report/report-task.ts'
import type { HeldTask } from './hold-task.ts'
import { OpenTaskRoute } from './open-task-route.ts'
import type { TaskDependencies, TaskResult } from './run-task.ts'
import type { TaskEnd } from './task-end.ts'

/** An end to report. */
export interface EndToReport {
  readonly task: Task
  readonly end: TaskEnd
  /** The end of the output; empty when there is none. */
  readonly trace: string
  readonly held: HeldTask
}

/** Reports the end of a task. A task that is canceled meanwhile is not reported. */
export async function reportEnd(
  { task, end, trace, held }: EndToReport,
  { inputs, caller, invocation, openTasks, log }: TaskDependencies & { readonly log: Log },
): Promise<Pick<TaskResult, 'end' | 'reported' | 'error'>> {
  const { runner, bindToShutdown } = invocation
  const route: OpenTaskRoute = new OpenTaskRoute(caller, openTasks, {
    // A task that the service does not find any more may be gone because it has this report, whose response was lost.
    isStillWanted: () => held.loss === undefined || (held.loss === 'gone' && route.mayHaveLanded),
  })
  const request = requestFor(task.taskId, end, trace, inputs, runner)
  const { sent, error } = await sendTaskReport(
    request,
    'step',
    { runner: { ...runner, log }, bindToShutdown },
    () => route,
  )
  // The step fails with it, at its end.
  if (error !== undefined) log.info(error.message)
  return { end: route.isCanceled ? undefined : end, reported: sent !== undefined, error }
}

/** What to report for a task. */
export function requestFor(
  taskId: string,
  end: TaskEnd,
  trace: string,
  { aws, reporting, checkRunId }: Pick<TaskRunnerInputs, 'aws' | 'reporting' | 'checkRunId'>,
  { env }: Pick<Runner, 'env'>,
): ReportRequest {
  const error =
    end.status === 'FINISHED'
      ? { errorId: undefined, errorMessage: undefined }
      : { errorId: end.errorId, errorMessage: messageOf(end.message, checkRunId, env) }
  return {
    taskId,
    status: { status: end.status, cause: { kind: 'given' } },
    error: {
      ...error,
      errorStackTrace: end.status === 'FINISHED' ? undefined : trace || undefined,
      errorStackTraceFile: undefined,
    },
    evidence: { githubToken: undefined, checkRunId },
    aws,
    reporting,
  }
}

/** An end that the post step reports. */
export function decisionFor(
  taskId: string,
  end: TaskEnd,
  inputs: Pick<TaskRunnerInputs, 'aws' | 'reporting' | 'checkRunId'>,
  runner: Pick<Runner, 'env'>,
): Decision {
  const { errorId, errorMessage } = requestFor(taskId, end, '', inputs, runner).error
  return {
    by: 'step',
    status: end.status,
    versions: [{ ...(errorId && { errorId }), ...(errorMessage && { errorMessage }) }],
  }
}

/** The sentence, the run, and the link to the job. */
function messageOf(sentence: string, checkRunId: number | undefined, env: Runner['env']): string {
  const run = workflowRunOf(env)
  const link = checkRunId === undefined ? run.link : jobLink(run, checkRunId)
  return [sentence, runLine({ ...run, runNumber: run.number }), link].filter((line) => line).join('\n')
}
