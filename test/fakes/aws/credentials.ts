/** What signs a request. A session token belongs to temporary credentials only. */
export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  /** Milliseconds since 1970; without it they hold for ever. */
  expiresAt?: number
}

/** The example keys of the AWS documentation, which secret scanners know and let pass. */
export const TEST_CREDENTIALS: Credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}

/** The credentials of the one account there is. Shared by the services that issue them and those that check them. */
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

  /** From now on requests signed with this key are answered with ExpiredTokenException. */
  expire(accessKeyId: string): void {
    const credentials = this.#byAccessKey.get(accessKeyId)
    if (!credentials) throw new Error(`no credentials with the access key ${accessKeyId}`)
    credentials.expiresAt = 0
  }
  /** From now on requests signed with this key are answered with UnrecognizedClientException. */
  remove(accessKeyId: string): void {
    this.#byAccessKey.delete(accessKeyId)
  }
}
