import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CredentialStore, type Credentials } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { type Fault, on } from '../fakes/aws/faults.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import type { Operation } from '../fakes/aws/operations.ts'
import { LocalSts, TEST_ROLE } from '../fakes/aws/sts.ts'
import { Job } from '../support/job.ts'
import type { StepOptions } from '../support/step.ts'
import { awakeTime } from './awake-time.ts'
import type { Action, FaultRow } from './fault-table.ts'
import { SmallDisk } from './full-disk.ts'
import { Gate } from './gate.ts'

/** Additional options of a step. */
export type Setting = Pick<StepOptions, 'env' | 'onStart'>

/** The durations of a run of the suite. */
export interface Scale {
  /** Milliseconds of a temporary fault. */
  readonly outageMs: number
  /** The input timeout-seconds for a permanent fault. */
  readonly budgetSeconds: number
}

export const FULL: Scale = { outageMs: 30_000, budgetSeconds: 20 }
export const SHORT: Scale = { outageMs: 5_000, budgetSeconds: 5 }

const TEMPORARY: Credentials = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token=='.repeat(8),
}

const OPERATIONS: Readonly<Record<Action, Operation>> = {
  root: 'SetTaskStatus',
  'poll-for-task': 'PollForTask',
  'poll-for-task: acknowledgement': 'ReportTaskProgress',
  'activity: main': 'ReportTaskProgress',
  'activity: heartbeat': 'ReportTaskProgress',
  'activity: post': 'SetTaskStatus',
  'task-runner: heartbeat': 'ReportTaskProgress',
  'task-runner: report': 'SetTaskStatus',
}

/** The environment of an action in one row of the table: a job, and the local AWS services that it calls. */
export class FaultContext implements AsyncDisposable {
  readonly action: Action
  readonly scale: Scale
  /** The call that gets the fault. */
  readonly operation: Operation
  readonly service: LocalDataPipeline
  readonly sts: LocalSts
  readonly oidc: LocalOidc
  readonly job: Job
  readonly taskId: string
  /** Without the fault. */
  readonly inputs: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** When the process was sent its signal (by `awakeTime`), and the milliseconds that the runner then allows. */
  signalled: { at: number; limitMs: number } | undefined
  /** Whether the row is valid only if a request got a fault of the service. */
  mustStrike = false
  readonly #credentials: CredentialStore
  readonly #gate: Gate
  readonly #disk: SmallDisk | undefined
  readonly #mine: Array<AsyncDisposable | Disposable> = []

  private constructor(
    { credentials: kind, isBehindGate, needsDisk }: FaultRow,
    action: Action,
    scale: Scale,
    services: { credentials: CredentialStore; service: LocalDataPipeline; sts: LocalSts; oidc: LocalOidc; gate: Gate },
  ) {
    const { credentials, service, sts, oidc, gate } = services
    this.action = action
    this.scale = scale
    this.operation = OPERATIONS[action]
    this.service = service
    this.sts = sts
    this.oidc = oidc
    this.#gate = gate
    this.#credentials = credentials
    this.#disk = needsDisk ? new SmallDisk() : undefined
    this.job = new Job()
    this.taskId = service.addTask().taskId
    const ofRole = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, ...sts.env(), ...oidc.env() }
    this.env = {
      ...(kind === 'temporary' ? service.env(TEMPORARY) : service.env()),
      ...(kind === 'role' ? ofRole : {}),
      ...(isBehindGate ? { AWS_ENDPOINT_URL_DATA_PIPELINE: gate.url } : {}),
      ...(this.#disk ? { RUNNER_TEMP: this.#disk.folder } : {}),
    }
    this.inputs = kind === 'role' ? { 'role-to-assume': TEST_ROLE.arn } : {}
    this.#mine.push(gate, service, sts, oidc, this.job)
    if (this.#disk) this.#mine.push(this.#disk)
  }

  static async start(row: FaultRow, action: Action, scale: Scale): Promise<FaultContext> {
    const credentials = new CredentialStore()
    credentials.add({ ...TEMPORARY })
    const oidc = await LocalOidc.start()
    const sts = await LocalSts.start({ issuer: oidc, credentials })
    const service = await LocalDataPipeline.start({ credentials, ...row.service })
    const gate = await Gate.start(service.url)
    return new FaultContext(row, action, scale, { credentials, service, sts, oidc, gate })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.job.end()
    for (const each of this.#mine.reverse()) {
      if (Symbol.asyncDispose in each) await each[Symbol.asyncDispose]()
      else each[Symbol.dispose]()
    }
  }

  /** Disposes of something at the end of the context. */
  use<T extends AsyncDisposable | Disposable>(thing: T): T {
    this.#mine.push(thing)
    return thing
  }

  /** An empty folder. */
  folder(): string {
    const path = mkdtempSync(join(tmpdir(), 'fault-'))
    this.use({ [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) })
    return path
  }

  /** The disk that RUNNER_TEMP is on, in rows that need one. */
  get disk(): SmallDisk {
    if (this.#disk === undefined) throw new Error('this row has no disk')
    return this.#disk
  }

  /** The maximum time until a temporary fault is over: a heartbeat that gets it is due 5 s after the last one. */
  get outageMs(): number {
    return this.scale.outageMs + (this.action.endsWith(': heartbeat') ? 5_000 : 0)
  }

  /** The next requests of the action get the faults, one each. */
  next(...faults: Fault[]): void {
    this.mustStrike = true
    this.service.injectFault(...faults.map((fault) => on(this.operation, fault)))
  }

  /** Every request of the action gets the fault, from the first one on for the duration of a temporary fault. */
  outage(fault: Fault): void {
    this.always(fault)
    this.whenAsked(() => {
      const end = setTimeout(() => this.service.clearFaults(), this.scale.outageMs)
      this.use({ [Symbol.dispose]: () => clearTimeout(end) })
    })
  }

  /** Every request of the action gets the fault. */
  always(fault: Fault): void {
    this.mustStrike = true
    this.service.keepInjectingFault(on(this.operation, fault))
  }

  /** Connections are refused for the duration of a temporary fault. */
  async nobodyListens(): Promise<void> {
    await this.#gate.closeFor(this.outageMs)
  }

  /** Calls `then` when the next request of the action has arrived. */
  whenAsked(then: () => void): void {
    const before = this.service.requestsFor(this.operation).length
    this.service.received(this.operation, before + 1, 60_000).then(then, () => undefined)
  }

  /** All credentials that the action has used so far are refused. */
  expireCredentials(): void {
    const keys = [TEMPORARY.accessKeyId, ...this.sts.requests.flatMap(({ accessKeyId }) => accessKeyId ?? [])]
    for (const key of keys) this.#credentials.expire(key)
  }

  /** Sends the process a signal while its next request is in progress. It is a setting, as it needs the process. */
  signal(signal: 'SIGINT' | 'SIGTERM'): Setting {
    const send = (kill: () => void): void =>
      this.whenAsked(() => {
        // The runner kills 10 s after SIGINT and 2.5 s after SIGTERM. One more second allows for a slow machine.
        this.signalled = { at: awakeTime(), limitMs: signal === 'SIGINT' ? 10_000 : 3_500 }
        kill()
      })
    if (this.action !== 'activity: heartbeat') return { onStart: (child) => send(() => child.kill(signal)) }
    send(() => {
      for (const pid of this.job.heartbeats()) process.kill(pid, signal)
    })
    return {}
  }
}
