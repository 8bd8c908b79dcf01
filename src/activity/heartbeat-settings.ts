import type { AwsSettings } from '../aws/settings.ts'
import type { ProcessIdentity } from './processes.ts'

/** What an activity does when the service cancels its task. */
export type OnCancel = 'ignore' | 'cancel-run'

/** What a heartbeat process is told on its standard input: nothing of it is in arguments, files or its environment. */
export interface HeartbeatSettings {
  readonly taskId: string
  readonly aws: AwsSettings
  readonly intervalMs: number
  readonly lifetimeMs: number
  readonly onCancel: OnCancel
  /** The folder of its files. */
  readonly folder: string
  /** The runner's process; undefined where it can't be told (in a container). */
  readonly runner: ProcessIdentity | undefined
  /** For cancelling the run. */
  readonly github:
    | { readonly token: string; readonly repository: string; readonly runId: string; readonly apiUrl: string }
    | undefined
  /** Environment variables that hold credentials. */
  readonly secrets: Readonly<Record<string, string>>
}
