import type { AwsCredentialIdentity } from '@smithy/types'
import type { ErrorFields } from '../domain/error-fields.ts'
import type { TaskStatus } from '../domain/task-status.ts'
import type { CredentialSource } from './environment-credentials.ts'

/** One SetTaskStatus call. */
export interface StatusReport extends ErrorFields {
  /** 1 to 2048 characters. */
  readonly taskId: string
  readonly taskStatus: TaskStatus
}

/** One attempt of a call. */
export interface Call {
  readonly signal: AbortSignal
  /** Called when the request goes out on a connection that is ready. From then on it may succeed. */
  readonly onSend?: () => void
}

/** A field of a pipeline object: a text, or a reference to another object by its id. */
export type TaskField =
  | { readonly key: string; readonly stringValue: string }
  | { readonly key: string; readonly refValue: string }

export interface TaskObject {
  readonly id: string
  readonly name: string
  readonly fields: readonly TaskField[]
}

/** A task from PollForTask. */
export interface Task {
  readonly taskId: string
  readonly pipelineId: string
  readonly attemptId: string
  /** The task attempt and the objects that it refers to, by id, without encrypted fields. An id may be any text. */
  readonly objects: Readonly<Record<string, TaskObject>>
  /** The encrypted fields of all objects, whose keys begin with `*` (Developer Guide). */
  readonly encrypted: readonly TaskField[]
}

/** The calls of AWS Data Pipeline that a task runner makes. Each is one attempt, without a timeout of its own. */
export interface DataPipeline {
  readonly region: string
  /** Where the last call went, as `https://host:port`; undefined when that is the address of AWS for the region. */
  readonly unusualOrigin: string | undefined
  /** Where the credentials come from; undefined for those of another step. */
  readonly source: CredentialSource | undefined
  /** The credentials in use. Their secrets are masked. @throws CredentialsError */
  credentials(): Promise<AwsCredentialIdentity>
  /**
   * Reads the source of the credentials again: files, process, token file, role session.
   *
   * @returns whether they differ from those of the last call
   * @throws CredentialsError
   */
  renewCredentials(): Promise<boolean>
  /**
   * Whether the credentials in use are a session that may be new: used here for less than a minute. Some servers of AWS may
   * not know it yet.
   */
  hasNewSession(): boolean
  setTaskStatus(report: StatusReport, call: Call): Promise<{ requestId: string | undefined }>
  /** The next task of the worker group; undefined when there is none. The service may hold the request for 90 s. */
  pollForTask(request: { workerGroup: string; hostname?: string }, call: Call): Promise<Task | undefined>
  /** Acknowledges a task, and keeps it. Gives whether the service has canceled it. */
  reportTaskProgress(taskId: string, call: Call): Promise<{ canceled: boolean }>
  /** Sends the heartbeat of a task runner. Gives whether the service wants it to end. */
  reportTaskRunnerHeartbeat(
    request: { taskrunnerId: string; workerGroup: string; hostname?: string },
    call: Call,
  ): Promise<{ terminate: boolean }>
  /** When the credentials in use expire, in milliseconds since 1970; undefined when that is not known. */
  expiration(): Promise<number | undefined>
  /** Closes all connections. */
  close(): void
}
