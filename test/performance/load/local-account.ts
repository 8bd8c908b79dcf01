import type { Call, DataPipeline } from '../../../src/aws/data-pipeline.ts'
import type { Operation } from '../../fakes/aws/operations.ts'
import { type Rate, RateLimiter } from '../../fakes/aws/rates.ts'
import { ServiceError } from '../../fakes/aws/service-error.ts'
import type { FakeClock } from '../../support/fake-clock.ts'

/** Milliseconds that a request and its response take together. */
const MIN_WAY_MS = 10
const MAX_WAY_MS = 100

/** A call that reached the account. */
export interface AccountCall {
  readonly taskId: string
  readonly at: number
  readonly throttled: boolean
}

/**
 * An account without a network: the service's limits on a virtual clock, for jobs that run in this process. It has no
 * tasks.
 */
export class LocalAccount {
  readonly calls: AccountCall[] = []
  readonly #clock: FakeClock
  readonly #random: () => number
  readonly #rates: RateLimiter

  constructor(clock: FakeClock, random: () => number, rates: Partial<Record<Operation, Rate>>) {
    this.#clock = clock
    this.#random = random
    this.#rates = new RateLimiter(rates)
  }

  /** A client for the actions' reports. */
  client(): DataPipeline {
    const unused = (): never => {
      throw new Error('not part of reporting')
    }
    return {
      region: 'us-east-1',
      unusualOrigin: undefined,
      source: undefined,
      credentials: async () => ({ accessKeyId: '', secretAccessKey: '' }),
      renewCredentials: async () => false,
      hasNewSession: () => false,
      expiration: async () => undefined,
      close: () => undefined,
      pollForTask: unused,
      reportTaskRunnerHeartbeat: unused,
      setTaskStatus: async ({ taskId }, call) => {
        await this.#spend('SetTaskStatus', taskId, call)
        return { requestId: undefined }
      },
      reportTaskProgress: async (taskId, call) => {
        await this.#spend('ReportTaskProgress', taskId, call)
        return { canceled: false }
      },
    }
  }

  async #spend(operation: Operation, taskId: string, { signal, onSend }: Call): Promise<void> {
    onSend?.()
    await this.#onItsWay(signal)
    const at = this.#clock.now()
    try {
      this.#rates.spend(operation, at)
      this.calls.push({ taskId, at, throttled: false })
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error
      this.calls.push({ taskId, at, throttled: true })
      // In the form of the SDK.
      throw Object.assign(new Error(error.message), { name: error.code, $metadata: { httpStatusCode: error.status } })
    } finally {
      await this.#onItsWay(signal)
    }
  }

  #onItsWay(signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(MIN_WAY_MS + this.#random() * (MAX_WAY_MS - MIN_WAY_MS), signal)
  }
}

/** Numbers between 0 and 1 that are the same each time (xorshift32): simulations are reproducible. */
export function chance(seed: number): () => number {
  let state = seed * 0x9e3779b1 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
