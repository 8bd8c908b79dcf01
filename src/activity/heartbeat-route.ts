import { CallError, callWithRetry } from '../aws/call-with-retry.ts'
import { openDataPipeline } from '../aws/open-client.ts'
import type { Runner } from '../github/runner.ts'
import { errorMessage } from '../masking/error-message.ts'
import { type Delivery, DeliveryError, type ReportRoute, type RoutedReport } from '../report/report-route.ts'
import type { Deadline } from '../util/deadline.ts'
import { ConfigurationError } from '../util/errors.ts'
import { type Holder, HolderSilentError } from './heartbeat-client.ts'
import type { HolderResult, StaticCredentials } from './heartbeat-message.ts'

/** Milliseconds between two looks at whether the step has to end. */
const LOOK_EVERY_MS = 100
/** A deadline that comes so much nearer between two looks was made shorter: the runner wants the step to end. */
const SHORTENED_BY_MS = 2_000

/**
 * The process that holds the task makes the report: with what it holds it, and also when this step is ended meanwhile.
 * When it gives no word any more, the step reports by another route.
 */
export class HolderRoute implements ReportRoute {
  readonly #holder: Holder
  readonly #runner: Runner
  readonly #onSilence: () => ReportRoute

  /** @param onSilence ends the process, and gives the route to take instead */
  constructor(holder: Holder, runner: Runner, onSilence: () => ReportRoute) {
    this.#holder = holder
    this.#runner = runner
    this.#onSilence = onSilence
  }

  async deliver(report: RoutedReport): Promise<Delivery> {
    const { by, status, versions, deadline } = report
    const spent = new AbortController()
    const watching = watchDeadline(deadline, this.#holder, spent)
    let mayHaveLanded = false
    try {
      const result = await this.#holder.report({ by, status, versions: versions() }, deadline.remaining(), {
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
      if (!(error instanceof HolderSilentError)) throw error
      return await this.#onSilence().deliver({ ...report, mayHaveLanded })
    } finally {
      clearInterval(watching)
    }
  }

  /** The credentials that this step has by itself. */
  async #credentials({ aws, budgetMs, deadline }: RoutedReport): Promise<StaticCredentials | undefined> {
    const { log } = this.#runner
    try {
      const open = await openDataPipeline(aws, budgetMs, this.#runner)
      try {
        const { response } = await callWithRetry(() => open.dataPipeline.credentials(), {
          ...open,
          deadline,
          random: Math.random,
          log,
        })
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
  'The step has to end before there is a response. The heartbeat process goes on trying for the rest of timeout-seconds.'

/** A step whose time is over waits a little longer for the last word: the process has the same deadline. */
const LAST_WORD_MS = 300

/** Aborts when the deadline is over, and tells the process when it was made shorter. */
function watchDeadline(deadline: Deadline, holder: Holder, spent: AbortController): NodeJS.Timeout {
  let last = deadline.remaining()
  let spentForMs = 0
  return setInterval(() => {
    const left = deadline.remaining()
    if (last - left > SHORTENED_BY_MS) holder.hasten(left)
    last = left
    if (left > 0) return
    spentForMs += LOOK_EVERY_MS
    if (spentForMs >= LAST_WORD_MS) spent.abort()
  }, LOOK_EVERY_MS)
}

function toDelivery(result: HolderResult, deadline: Deadline): Delivery {
  if (result.outcome !== 'failed') return result
  const { failure, attempts, timeSpent, outcomeUnknown, origin, source, hint, region } = result
  const cause = hint === undefined ? undefined : new ConfigurationError(failure.message, { hint })
  const spent = timeSpent ? deadline : undefined
  throw new DeliveryError(new CallError(failure, { attempts, outcomeUnknown, origin, source, cause }, spent), region)
}
