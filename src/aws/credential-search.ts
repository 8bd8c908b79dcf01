import { formatValue } from '../masking/format.ts'

/** The output of a credential process that failed. */
const MAX_CHARACTERS = 500

/** Log lines of the SDK's chain of credential sources: that it comes to a profile, and that a source failed. */
const PROFILE_BEGINS = '@aws-sdk/credential-provider-ini - fromIni'
const SOURCE_FAILED = /^@smithy\/property-provider (?:->|\(!\)) ([\s\S]*)$/

/** The SDK's error when no source has credentials. Otherwise it is the error of the source that ended the search. */
const NONE_FOUND = 'Could not load credentials from any providers'

/** A missing default profile is no mistake. */
const NO_DEFAULT_PROFILE = /^Could not resolve credentials using profile: \[default\]/

/**
 * Follows the SDK's search for credentials by its log. Its error is that of the last source, the machine's role, and never says
 * why a profile, which somebody made on purpose, has no credentials.
 */
export class CredentialSearch {
  #isInProfile = false
  #reason: string | undefined

  /** For the SDK, which also logs whole requests. */
  readonly logger = {
    debug: (text: unknown): void => this.#read(String(text)),
    info: (): void => undefined,
    warn: (): void => undefined,
    error: (): void => undefined,
  }

  /** The error of a search, with the reason why the profile has no credentials. */
  explain(error: unknown): unknown {
    if (this.#reason === undefined || (error as Error | undefined)?.message !== NONE_FOUND) return error
    return new CredentialsProviderError(`${NONE_FOUND} (the profile: ${this.#reason})`, { cause: error })
  }

  #read(text: string): void {
    if (text === PROFILE_BEGINS) {
      this.#isInProfile = true
      this.#reason = undefined
    }
    const [, message] = SOURCE_FAILED.exec(text) ?? []
    if (!this.#isInProfile || message === undefined) return
    this.#isInProfile = false
    if (!NO_DEFAULT_PROFILE.test(message)) this.#reason = formatValue(withoutCommand(message), MAX_CHARACTERS)
  }
}

/** Has the name of the SDK's error, by which failures are classified. */
class CredentialsProviderError extends Error {
  override readonly name = 'CredentialsProviderError'
}

/** Without the command line of credential_process, which may have a password in it. */
function withoutCommand(message: string): string {
  const [, output] = /^Command failed: [^\n]*\n?([\s\S]*)$/.exec(message) ?? []
  if (output === undefined) return message
  return `credential_process failed: ${output.trim() === '' ? 'no output' : output}`
}
