import type { Caller } from '../aws/call-with-retry.ts'
import { callErrorFrom } from '../aws/classify.ts'
import { needsOtherCredentials } from '../aws/errors.ts'
import { type Decision, versionsWithout } from '../report/decision.ts'
import { type Delivery, DeliveryError, type ReportRoute, type RoutedReport } from '../report/report-route.ts'
import { SupersededError, sendReport } from '../report/send-status.ts'
import type { OpenTasks } from './open-tasks.ts'

/** The part of the record of open tasks that a report needs. */
type TaskRecord = Pick<OpenTasks, 'note' | 'close'>

/** Options of a route. */
export interface RouteOptions {
  /** False when the service has canceled the task. */
  readonly isStillWanted?: () => boolean
  /** An end that the main step decided and may have sent. It is reported in place of any other. */
  readonly saved?: Decision | undefined
  readonly secrets?: ReadonlySet<string>
}

/** Reports the end of an open task with a client that is open already. The end is saved before it is sent. */
export class OpenTaskRoute implements ReportRoute {
  readonly #caller: Caller
  readonly #openTasks: TaskRecord
  readonly #options: RouteOptions
  isCanceled = false
  /** Whether the service may have the end already. */
  mayHaveLanded = false

  constructor(caller: Caller, openTasks: TaskRecord, options: RouteOptions = {}) {
    this.#caller = caller
    this.#openTasks = openTasks
    this.#options = options
  }

  async deliver({ taskId, by, deadline, ...report }: RoutedReport): Promise<Delivery> {
    const { region } = this.#caller.dataPipeline
    const { saved, secrets = new Set(), isStillWanted } = this.#options
    const status = saved?.status ?? report.status
    const versions = saved === undefined ? report.versions : () => versionsWithout(saved, [...secrets])
    this.#openTasks.note({ taskId, decision: { by, status, versions: versions() } })
    try {
      const sent = await sendReport(
        { taskId, status, versions },
        { ...this.#caller, deadline },
        {
          ...(isStillWanted && { isStillWanted }),
          mayHaveLanded: saved !== undefined,
          onMayHaveLanded: (value) => {
            this.mayHaveLanded = value
          },
        },
      )
      this.#openTasks.close(taskId)
      return { outcome: 'sent', status, region, ...sent }
    } catch (error) {
      if (error instanceof SupersededError) {
        this.isCanceled = true
        this.#openTasks.close(taskId)
        return { outcome: 'not-needed', reason: 'canceled' }
      }
      const { timeSpent, failure } = callErrorFrom(error)
      // What the service rejects for good, it rejects from the post step as well.
      if (!timeSpent && !needsOtherCredentials(failure)) this.#openTasks.close(taskId)
      throw new DeliveryError(error, region)
    }
  }
}
