import type { ErrorFields } from '../domain/error-fields.ts'
import { PUBLISHED_LIMITS } from '../domain/error-fields.ts'
import { errorIdOf } from '../domain/error-id.ts'
import type { Evidence, EvidenceDependencies } from '../evidence/collect.ts'
import type { EvidenceRequest } from '../evidence/facts.ts'
import type { Runner } from '../github/runner.ts'
import { workflowRunOf } from '../github/workflow-run.ts'
import type { ErrorInputs, ReportRequest } from '../inputs/reporting.ts'
import { errorMessage } from '../masking/error-message.ts'
import { quoteValue } from '../masking/format.ts'
import { sanitize } from '../text/sanitize.ts'
import type { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'
import { type ErrorFieldVersions, errorFieldVersions } from './sanitize-error-fields.ts'

/** The stack trace file may take this long to read, and a quarter of the time left: a drive may not respond. */
const MAX_READ_MS = 10_000

/** Gives the error fields of a report, within the limits of the API and without these secrets. */
export type ErrorTexts = (secrets: readonly string[]) => ErrorFieldVersions

/** Error texts before they are truncated to the limits of the API. */
interface GivenTexts {
  readonly fields: ErrorFields
  /** Characters of a stack trace file that were not read. */
  readonly missing: number
}

/**
 * The error texts of a report: the error inputs, and for FAILED evidence in place of missing ones. Never fails: the report has
 * the texts that there are.
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
    const isGiven = Object.values(request.error).some((text) => text !== undefined)
    if (isGiven) runner.log.info('The error inputs are omitted, because the status is FINISHED.')
    return () => ({ versions: [{}], adjustments: [] })
  }
  const { fields: given, missing } = await givenTexts(request.error, runner, deadline)
  const fields = status === 'FAILED' ? await withEvidence(request, given, runner, evidenceDeadline) : given
  return (secrets) => errorFieldVersions(fields, secrets, { errorStackTrace: missing })
}

async function givenTexts(error: ErrorInputs, runner: Runner, deadline: Deadline): Promise<GivenTexts> {
  const { errorId, errorMessage: message, errorStackTrace, errorStackTraceFile } = error
  const fields = { ...(hasText(errorId) && { errorId }), ...(hasText(message) && { errorMessage: message }) }
  if (hasText(errorStackTrace)) {
    if (errorStackTraceFile) runner.log.info('error-stack-trace-file is not read, because error-stack-trace is set.')
    return { fields: { ...fields, errorStackTrace }, missing: 0 }
  }
  if (!errorStackTraceFile) return { fields, missing: 0 }
  try {
    const { text, missing } = await deadline.within(
      Math.min(MAX_READ_MS, deadline.remaining() / 4),
      async () => {
        const { readStackTraceFile } = await import('./stack-trace-file.ts')
        return readStackTraceFile(errorStackTraceFile, foldersOf(runner.env))
      },
      (ms) =>
        new Error(
          `error-stack-trace-file: could not read ${quoteValue(errorStackTraceFile)} within ${formatSeconds(ms)}`,
        ),
    )
    return { fields: { ...fields, ...(hasText(text) && { errorStackTrace: text }) }, missing }
  } catch (cause) {
    runner.log.warning(`${errorMessage(cause)}. The report has no stack trace.`)
    return { fields, missing: 0 }
  }
}

/** The folders for stack trace files: the workspace, to which the path is relative, and the runner's temporary folder. */
function foldersOf(env: Runner['env']): [string, ...string[]] {
  const temp = env['RUNNER_TEMP']
  return [env['GITHUB_WORKSPACE'] || process.cwd(), ...(temp ? [temp] : [])]
}

/** Whether a text has more than control characters and space. */
function hasText(text: string | undefined): text is string {
  return text !== undefined && sanitize(text).text.trim() !== ''
}

/** The fields, with missing ones filled in: what failed, and the link to it. */
async function withEvidence(
  request: ReportRequest,
  given: ErrorFields,
  runner: Runner,
  deadline: Deadline,
): Promise<ErrorFields> {
  const { cause } = request.status
  const errorId = given.errorId ?? errorIdOf(cause)
  // Only a job that has ended has a log. Of this job, GitHub's API gives the steps.
  const wantsTrace = given.errorStackTrace === undefined && cause.kind === 'needs'
  if (given.errorMessage !== undefined && !wantsTrace) return { ...given, errorId }

  const run = workflowRunOf(runner.env)
  const token = request.evidence.githubToken
  const { repository, id: runId, apiUrl } = run
  const canConnect = token !== undefined && repository !== undefined && runId !== undefined && !request.reporting.dryRun
  // The runner masks only secrets of the repository.
  if (canConnect) runner.hide([token])
  const { message, trace, problem } = await evidenceOf(
    { cause, run, checkRunId: request.evidence.checkRunId, wantsTrace },
    {
      connect: canConnect
        ? async (signal, onProblem) => {
            const { connectGitHub } = await import('../github/api.ts')
            return connectGitHub({ token, repository, runId, apiUrl, env: runner.env, signal, onProblem })
          }
        : undefined,
      deadline,
      redact: runner.redact,
    },
  )
  const why =
    problem ?? (token === undefined && !request.reporting.dryRun ? 'the input github-token is empty' : undefined)
  if (why !== undefined) {
    runner.log.notice(
      `Some failure details are missing: ${why.replace(/\.$/, '')}. Grant "permissions: actions: read" to include failed ` +
        'steps and logs, and "checks: read" to include annotations.',
    )
  }
  return {
    ...(message && { errorMessage: message }),
    ...(trace && { errorStackTrace: trace }),
    ...given,
    errorId,
  }
}

/** Collects evidence by a chunk of its own, which a FINISHED report does not load. */
async function evidenceOf(request: EvidenceRequest, dependencies: EvidenceDependencies): Promise<Partial<Evidence>> {
  try {
    const { collectEvidence } = await import('../evidence/collect.ts')
    return await collectEvidence(request, dependencies, PUBLISHED_LIMITS.errorMessage.bytes)
  } catch (error) {
    // The folder of the action may be damaged. The status can be reported nevertheless.
    return { problem: errorMessage(error) }
  }
}
