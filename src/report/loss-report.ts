import { PUBLISHED_LIMITS } from '../domain/error-fields.ts'
import { RUNNER_LOST_ID } from '../domain/error-id.ts'
import { errorMessageOf } from '../evidence/error-message.ts'
import { workflowRunOf } from '../github/workflow-run.ts'
import type { Decision } from './decision.ts'

/**
 * The report when the runner is gone and no step has reported the task. It covers both reasons, which look the same: the runner was
 * lost, or it could not start the post step.
 */
export function lossReport(env: Readonly<Record<string, string | undefined>>): Decision {
  const { jobKey, workflow, repository, number, attempt, link } = workflowRunOf(env)
  const job = { name: jobKey ?? '(unknown)', outcome: 'lost', steps: [], excerpt: undefined, link: undefined }
  const parts = {
    jobs: [job],
    related: [],
    remarks: [],
    run: { workflow, repository, runNumber: number, attempt, link },
  }
  const errorMessage = errorMessageOf(parts, PUBLISHED_LIMITS.errorMessage.bytes)
  return { by: 'loss', status: 'FAILED', versions: [{ errorId: RUNNER_LOST_ID, errorMessage }, {}] }
}
