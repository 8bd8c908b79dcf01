import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { perform, type Style } from '../support/perform.ts'
import { RUN_LINK, type StepOptions, type StepResult } from '../support/step.ts'

/** A step that reports a task to a local Data Pipeline, and what arrived there. */
export interface Reporting {
  readonly step: StepResult
  readonly taskId: string
  /** The bodies of all SetTaskStatus requests of the step, in order. */
  readonly bodies: readonly Readonly<Record<string, unknown>>[]
}

/** What differs from a plain report; `service.env()` and a new task are there already. */
export type ReportingOptions = Omit<StepOptions, 'inputs'> & Style

/** What a FAILED report gets where no error texts are given and GitHub is not asked, by why it is FAILED. */
export function localEvidence(cause: keyof typeof CAUSES): { errorId: string; errorMessage: string } {
  const { errorId, sentence } = CAUSES[cause]
  const run = 'GitHub Actions: workflow "Nightly", octo-org/pipes, run 17, attempt 2'
  return { errorId, errorMessage: `${sentence}\n${run}\n${RUN_LINK}` }
}

const CAUSES = {
  given: {
    errorId: 'GitHubActions:ReportedFailed',
    sentence: 'Job "work" was reported as failed by its workflow.',
  },
  failure: { errorId: 'GitHubActions:JobFailed', sentence: 'Job "work" failed.' },
  'failure in a composite action': {
    errorId: 'GitHubActions:JobFailed',
    sentence: 'Job "work" failed.\nThe failed step is inside the composite action that sent this report.',
  },
  cancelled: { errorId: 'GitHubActions:JobCancelled', sentence: 'Job "work" was cancelled.' },
} as const

/** What is said once where evidence is wanted and there is no github-token. */
export const NO_TOKEN_NOTICE =
  'Some failure details are missing: the input github-token is empty. Grant "permissions: actions: read" to include ' +
  'failed steps and logs, and "checks: read" to include annotations.'

/** Runs the root action for a new task of this service, with the inputs of a `with:`. */
export async function reportTo(
  service: LocalDataPipeline,
  inputs: Readonly<Record<string, string>> = {},
  options: ReportingOptions = {},
): Promise<Reporting> {
  const taskId = inputs['task-id'] ?? service.addTask().taskId
  const before = service.requestsFor('SetTaskStatus').length
  const step = await perform({
    ...options,
    inputs: { 'task-id': taskId, ...inputs },
    env: { ...service.env(), ...options.env },
  })
  const bodies = service
    .requestsFor('SetTaskStatus')
    .slice(before)
    .map(({ body }) => body)
  return { step, taskId, bodies }
}

/** Runs the root action against a local Data Pipeline of its own, which is gone afterwards. */
export async function report(
  inputs: Readonly<Record<string, string>> = {},
  options: ReportingOptions = {},
): Promise<Reporting> {
  await using service = await LocalDataPipeline.start()
  return await reportTo(service, inputs, options)
}
