import type { ErrorFields } from '../domain/error-fields.ts'
import { errorIdOf } from '../domain/error-id.ts'
import { collectEvidence } from '../evidence/collect.ts'
import { connectGitHub } from '../github/api.ts'
import type { Runner } from '../github/runner.ts'
import { workflowRunOf } from '../github/workflow-run.ts'
import type { ErrorInputs, ReportRequest } from '../inputs/reporting.ts'
import { errorMessage } from '../masking/error-message.ts'
import { sanitize } from '../text/sanitize.ts'
import type { Deadline } from '../util/deadline.ts'
import { PUBLISHED_LIMITS } from './sanitize-error-fields.ts'
import { readStackTraceFile } from './stack-trace-file.ts'

/** Reading the stack trace file may take this long, and a quarter of the time left: a drive may have gone. */
const MAX_READ_MS = 10_000

/** Error texts before they are fitted to the limits of the API. */
export interface ErrorTexts {
  readonly fields: ErrorFields
  /** Characters of a stack trace file that were not read. */
  readonly missing: number
}

/**
 * The error texts of a report: those that were given, and for FAILED the evidence where one is missing. Never fails: a
 * report goes out with the texts that there are.
 *
 * @param deadline of the report
 * @param evidenceDeadline of all calls to GitHub together
 */
export async function errorTexts(
  request: ReportRequest,
  runner: Runner,
  deadline: Deadline,
  evidenceDeadline: Deadline,
): Promise<ErrorTexts> {
  const { status } = request.status
  if (status === 'FINISHED') {
    const given = Object.values(request.error).some((text) => text !== undefined)
    if (given) runner.log.info('The error inputs are left out, as the status is FINISHED.')
    return { fields: {}, missing: 0 }
  }
  const given = await givenTexts(request.error, runner, deadline)
  if (status !== 'FAILED') return given
  return { fields: await withEvidence(request, given.fields, runner, evidenceDeadline), missing: given.missing }
}

async function givenTexts(error: ErrorInputs, runner: Runner, deadline: Deadline): Promise<ErrorTexts> {
  const { errorId, errorMessage: message, errorStackTrace, errorStackTraceFile } = error
  const fields = { ...(hasText(errorId) && { errorId }), ...(hasText(message) && { errorMessage: message }) }
  if (hasText(errorStackTrace)) {
    if (errorStackTraceFile) runner.log.info('error-stack-trace is given, so error-stack-trace-file is not read.')
    return { fields: { ...fields, errorStackTrace }, missing: 0 }
  }
  if (!errorStackTraceFile) return { fields, missing: 0 }
  try {
    const { text, missing } = await deadline.within(
      Math.min(MAX_READ_MS, deadline.remaining() / 4),
      () => readStackTraceFile(errorStackTraceFile, foldersOf(runner.env)),
      (ms) =>
        new Error(
          `error-stack-trace-file: ${JSON.stringify(errorStackTraceFile)} could not be read within ${Math.round(ms / 1000)} s`,
        ),
    )
    return { fields: { ...fields, ...(hasText(text) && { errorStackTrace: text }) }, missing }
  } catch (cause) {
    runner.log.warning(`${errorMessage(cause)}. The status is reported without it.`)
    return { fields, missing: 0 }
  }
}

/** Where a stack trace file may be: the workspace, to which its path is relative, and the runner's temporary folder. */
function foldersOf(env: Runner['env']): [string, ...string[]] {
  const temp = env['RUNNER_TEMP']
  return [env['GITHUB_WORKSPACE'] || process.cwd(), ...(temp ? [temp] : [])]
}

/** Whether anything is left of a text that can be sent: an output of nothing but colours says nothing. */
function hasText(text: string | undefined): text is string {
  return text !== undefined && sanitize(text).text.trim() !== ''
}

/** The fields, with what is missing of them filled in: what failed, and where to look. */
async function withEvidence(
  request: ReportRequest,
  given: ErrorFields,
  runner: Runner,
  deadline: Deadline,
): Promise<ErrorFields> {
  const { cause } = request.status
  const errorId = given.errorId ?? errorIdOf(cause)
  // Only a needed job has ended, and so has a log: of the own job, GitHub gives the steps.
  const wantsTrace = given.errorStackTrace === undefined && cause.kind === 'needs'
  if (given.errorMessage !== undefined && !wantsTrace) return { ...given, errorId }

  const run = workflowRunOf(runner.env)
  const token = request.evidence.githubToken
  const { repository, id: runId, apiUrl } = run
  const canAsk = token !== undefined && repository !== undefined && runId !== undefined && !request.reporting.dryRun
  // One that is no secret of the repository is masked by nobody.
  if (canAsk) runner.hide([token])
  const { message, trace, problem } = await collectEvidence(
    { cause, run, checkRunId: request.evidence.checkRunId, wantsTrace },
    {
      connect: canAsk
        ? (signal, onProblem) => connectGitHub({ token, repository, runId, apiUrl, env: runner.env, signal, onProblem })
        : undefined,
      deadline,
      redact: runner.redact,
    },
    PUBLISHED_LIMITS.errorMessage.bytes,
  )
  const why =
    problem ?? (token === undefined && !request.reporting.dryRun ? 'the input github-token is empty' : undefined)
  if (why !== undefined) {
    runner.log.notice(
      `The report says less than it could about the failure: ${why.replace(/\.$/, '')}. For failed steps and logs the job needs ` +
        '"permissions: actions: read", for annotations "checks: read"; both are optional.',
    )
  }
  return { errorMessage: message, ...(trace && { errorStackTrace: trace }), ...given, errorId }
}
