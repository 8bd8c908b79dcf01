/** Thrown when GitHub gave no OIDC token to a job that may ask for one. */
export class OidcTokenError extends Error {
  override readonly name = 'OidcTokenError'
  /** The status of a response other than 200; undefined when there was none. */
  readonly statusCode: number | undefined

  constructor(message: string, options: { statusCode?: number | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.statusCode = options.statusCode
  }
}
