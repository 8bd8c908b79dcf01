import { causesOf } from '../util/errors.ts'

/** A response that can't be used. */
export class GitHubApiError extends Error {
  override readonly name = 'GitHubApiError'
  readonly status: number | undefined
  /** Whether the status is that of a response. octokit sets one even when there was no response. */
  readonly isResponse: boolean

  constructor(message: string, status: number | undefined, options: { isResponse?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.status = status
    this.isResponse = options.isResponse ?? status !== undefined
  }
}

/** The storage did not provide the log. */
export class LogDownloadError extends Error {
  override readonly name = 'LogDownloadError'
  readonly status: number

  constructor(status: number) {
    super(`could not download the log: status ${status}`)
    this.status = status
  }
}

/** The connection broke, or a name server was busy. */
const BROKEN_CONNECTION = new Set(['EAI_AGAIN', 'ECONNABORTED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'])

/**
 * Whether a call may succeed a moment later: the server or the connection failed. A refusal of GitHub is final, and so is a wrong
 * address or certificate.
 */
export function mayPass(error: unknown): boolean {
  const causes = causesOf(error)
  return (
    causes.some((cause) => BROKEN_CONNECTION.has(String((cause as { code?: unknown }).code))) ||
    causes.some(
      (cause) =>
        (cause instanceof LogDownloadError && cause.status >= 500) ||
        (cause instanceof GitHubApiError && cause.isResponse && (cause.status ?? 0) >= 500),
    )
  )
}

/** One sentence with the status, and without the page of a load balancer. */
