import { CallError, callWithRetry } from '../aws/call-with-retry.ts'
import { openDataPipeline } from '../aws/open-client.ts'
import type { Runner } from '../github/runner.ts'
import { errorMessage } from '../masking/error-message.ts'
import { type Delivery, DeliveryError, type ReportRoute, type RoutedReport } from '../report/report-route.ts'
import type { Deadline } from '../util/deadline.ts'
import { ConfigurationError } from '../util/errors.ts'
import { type HeartbeatClient, HeartbeatSilentError } from './heartbeat-client.ts'
import type { ReportResult, StaticCredentials } from './heartbeat-message.ts'

/** Milliseconds between two checks whether the step has to end. */
const CHECK_EVERY_MS = 100
/** A deadline that comes this much nearer between two checks was shortened: the runner wants the step to end. */
const SHORTENED_BY_MS = 2_000

/**
 * The heartbeat process makes the report, with the credentials that hold the task, and even if this step ends meanwhile.
 * When it stops responding, the step reports by another route.
 */
export class HeartbeatRoute implements ReportRoute {
  readonly #client: HeartbeatClient
  readonly #runner: Runner
  readonly #onSilence: () => ReportRoute | Promise<ReportRoute>

  /** @param onSilence ends the process, and gives the route to use instead */
  constructor(client: HeartbeatClient, runner: Runner, onSilence: () => ReportRoute | Promise<ReportRoute>) {
    this.#client = client
    this.#runner = runner
    this.#onSilence = onSilence
  }

  async deliver(report: RoutedReport): Promise<Delivery> {
    const { by, status, versions, deadline } = report
    const spent = new AbortController()
    const watching = watchDeadline(deadline, this.#client, spent)
    let mayHaveLanded = false
    try {
      const result = await this.#client.report({ by, status, versions: versions() }, deadline.remaining(), {
        onLog: (level, text) => this.#runner.log[level](text),
        credentials: () => this.#credentials(report),
        onMayHaveLanded: (value) => {
          mayHaveLanded = value
        },
        signal: spent.signal,
      })
      if (result === undefined) throw new DeliveryError(new Error(STILL_TRYING), undefined)
      return toDelivery(result, deadline)
    } catch (error) {
      if (!(error instanceof HeartbeatSilentError)) throw error
      return await (await this.#onSilence()).deliver({ ...report, mayHaveLanded })
    } finally {
      clearInterval(watching)
    }
  }

  /** Gets the step's own credentials; undefined when it has none. */
  async #credentials({ aws, budgetMs, deadline }: RoutedReport): Promise<StaticCredentials | undefined> {
    const { log } = this.#runner
    try {
      const open = await openDataPipeline(aws, budgetMs, this.#runner)
      try {
        const { response } = await callWithRetry(() => open.dataPipeline.credentials(), { ...open, deadline })
        const { accessKeyId, secretAccessKey, sessionToken } = response
        return { accessKeyId, secretAccessKey, sessionToken }
      } finally {
        open.dataPipeline.close()
      }
    } catch (error) {
      log.info(`This step has no AWS credentials of its own: ${errorMessage(error)}`)
      return undefined
    }
  }
}

const STILL_TRYING =
  'The step has to end before there is a response. The heartbeat process keeps trying for the rest of timeout-seconds.'

/** A step waits a little longer than its deadline for the result: the process has the same deadline. */
const GRACE_MS = 300

/** Aborts when the deadline is over, and informs the process when it was shortened. */
function watchDeadline(deadline: Deadline, client: HeartbeatClient, spent: AbortController): NodeJS.Timeout {
  let last = deadline.remaining()
  let spentForMs = 0
  return setInterval(() => {
    const left = deadline.remaining()
    if (last - left > SHORTENED_BY_MS) client.shorten(left)
    last = left
    if (left > 0) return
    spentForMs += CHECK_EVERY_MS
    if (spentForMs >= GRACE_MS) spent.abort()
  }, CHECK_EVERY_MS)
}

function toDelivery(result: ReportResult, deadline: Deadline): Delivery {
  if (result.outcome !== 'failed') return result
  const { failure, attempts, timeSpent, outcomeUnknown, origin, source, hint, region } = result
  const cause = hint === undefined ? undefined : new ConfigurationError(failure.message, { hint })
  const spent = timeSpent ? deadline : undefined
  throw new DeliveryError(new CallError(failure, { attempts, outcomeUnknown, origin, source, cause }, spent), region)
}
