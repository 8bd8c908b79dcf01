import type { AwsSettings } from '../aws/settings.ts'
import type { OnCancel } from '../inputs/activity.ts'
import type { ProcessIdentity } from './process-identity.ts'

/** What a heartbeat process gets on standard input. Nothing of it is in arguments, files or environment variables. */
export interface HeartbeatSettings {
  readonly taskId: string
  readonly aws: AwsSettings
  readonly intervalMs: number
  readonly lifetimeMs: number
  readonly onCancel: OnCancel
  /** Whether the end of the job is reported, or the loss of its runner. */
  readonly report: boolean
  /** The folder of its files. */
  readonly folder: string
  /** The main step. */
  readonly step: ProcessIdentity
  /** The id of the process that started the main step; 0 in a container. */
  readonly parent: number
  /** The process id of the runner's Worker, if the main step found it. */
  readonly worker: number | undefined
  /** For cancelling the run. */
  readonly github:
    | { readonly token: string; readonly repository: string; readonly runId: string; readonly apiUrl: string }
    | undefined
  /** The job's own token, which expires with the job. */
  readonly jobToken: string | undefined
  /** Environment variables that hold credentials. */
  readonly secrets: Readonly<Record<string, string>>
}
