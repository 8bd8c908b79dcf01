/** What signs a request. A session token belongs to temporary credentials only. */
export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  /** Milliseconds since 1970. Default: they never expire. */
  expiresAt?: number
}

/** The example keys of the AWS documentation, which secret scanners ignore. */
export const TEST_CREDENTIALS: Credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}

/** The credentials of the account. The services that issue them and those that check them share one store. */
export class CredentialStore {
  readonly #byAccessKey = new Map<string, Credentials>()

  constructor(credentials: Credentials[] = [TEST_CREDENTIALS]) {
    for (const each of credentials) this.add(each)
  }

  add(credentials: Credentials): void {
    this.#byAccessKey.set(credentials.accessKeyId, { ...credentials })
  }

  find(accessKeyId: string): Credentials | undefined {
    return this.#byAccessKey.get(accessKeyId)
  }

  /** Later requests signed with this key get ExpiredTokenException. */
  expire(accessKeyId: string): void {
    const credentials = this.#byAccessKey.get(accessKeyId)
    if (!credentials) throw new Error(`no credentials with the access key ${accessKeyId}`)
    credentials.expiresAt = 0
  }
  /** Later requests signed with this key get UnrecognizedClientException. */
  remove(accessKeyId: string): void {
    this.#byAccessKey.delete(accessKeyId)
  }
}
