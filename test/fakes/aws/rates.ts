import type { Operation } from './operations.ts'
import { ServiceError } from './service-error.ts'

export interface Rate {
  perSecond: number
  burst: number
}

/** Developer Guide, dp-limits ("Web service limits"): regular rate and burst, for the whole account. */
export const PUBLISHED_RATES: Readonly<Record<Operation, Rate>> = {
  PollForTask: { perSecond: 2, burst: 100 },
  ReportTaskProgress: { perSecond: 10, burst: 100 },
  SetTaskStatus: { perSecond: 10, burst: 100 },
  ReportTaskRunnerHeartbeat: { perSecond: 1, burst: 100 },
}

/** One token bucket per operation. */
export class RateLimiter {
  readonly #rates: Partial<Record<Operation, Rate>>
  readonly #buckets = new Map<Operation, { tokens: number; filledAt: number }>()

  constructor(rates: Partial<Record<Operation, Rate>>) {
    this.#rates = rates
  }

  /**
   * Takes a token for one request.
   * @throws ServiceError ThrottlingException when no token is left
   */
  spend(operation: Operation, now: number): void {
    const rate = this.#rates[operation]
    if (!rate) return
    const bucket = this.#buckets.get(operation) ?? { tokens: rate.burst, filledAt: now }
    bucket.tokens = Math.min(rate.burst, bucket.tokens + ((now - bucket.filledAt) / 1000) * rate.perSecond)
    bucket.filledAt = now
    this.#buckets.set(operation, bucket)
    if (bucket.tokens < 1) throw new ServiceError('ThrottlingException', 'Rate exceeded')
    bucket.tokens -= 1
  }
}
