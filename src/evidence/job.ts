import type { Job, Step } from '../github/api.ts'
import type { LoggedSteps } from './log-excerpt.ts'

/** The steps of a job that failed, or else the first one that was canceled. */
export function failedSteps({ steps }: Job): Step[] {
  const failed = steps.filter(({ conclusion }) => conclusion === 'failure' || conclusion === 'timed_out')
  return failed.length > 0 ? failed : steps.filter(({ conclusion }) => conclusion === 'cancelled').slice(0, 1)
}

/** Whether a job has begun. One that was canceled before has no log. */
export function hasRun({ runnerName, steps }: Job): boolean {
  return runnerName !== undefined || steps.length > 0
}

/** When the steps of a job ran; undefined when that of the failed step is not known. */
export function loggedSteps(job: Job): LoggedSteps | undefined {
  const ran = job.steps.flatMap((step) => {
    const { name, startedAt, completedAt, conclusion } = step
    if (startedAt === undefined || completedAt === undefined || conclusion === 'skipped') return []
    return [{ step, times: { name, startedAt, completedAt } }]
  })
  const failed = ran.find(({ step }) => step === failedSteps(job)[0])?.times
  return failed && { failed, all: ran.map(({ times }) => times) }
}
