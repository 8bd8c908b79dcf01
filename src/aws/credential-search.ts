import { formatValue } from '../masking/format.ts'

/** What a program may say of why it failed. */
const MAX_CHARACTERS = 500

/** What the SDK's chain of credential sources says to its logger as it comes to a profile, and of a source that failed. */
const PROFILE_BEGINS = '@aws-sdk/credential-provider-ini - fromIni'
const SOURCE_FAILED = /^@smithy\/property-provider (?:->|\(!\)) ([\s\S]*)$/

/** What the SDK says when no source had any; else it is the error of the one that ended the search. */
const NONE_FOUND = 'Could not load credentials from any providers'

/** That there is no default profile is nothing that anyone did wrong. */
const NO_DEFAULT_PROFILE = /^Could not resolve credentials using profile: \[default\]/

/**
 * Listens to how the SDK looks for credentials: of all sources, its error is that of the last, the machine's role, and
 * never says why a profile, which somebody made on purpose, gave none.
 */
export class CredentialSearch {
  #isInProfile = false
  #reason: string | undefined

  /** For the SDK. It also says whole requests, which are of no interest here. */
  readonly logger = {
    debug: (text: unknown): void => this.#hear(String(text)),
    info: (): void => undefined,
    warn: (): void => undefined,
    error: (): void => undefined,
  }

  /** The error of a search, with why the profile gave no credentials. */
  explain(error: unknown): unknown {
    if (this.#reason === undefined || (error as Error | undefined)?.message !== NONE_FOUND) return error
    return new CredentialsProviderError(`${NONE_FOUND} (the profile: ${this.#reason})`, { cause: error })
  }

  #hear(text: string): void {
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

/** Named as the SDK's own, by which failures are told apart. */
class CredentialsProviderError extends Error {
  override readonly name = 'CredentialsProviderError'
}

/** Without the command line of credential_process, which may have a password in it. */
function withoutCommand(message: string): string {
  const [, said] = /^Command failed: [^\n]*\n?([\s\S]*)$/.exec(message) ?? []
  if (said === undefined) return message
  return `the program of credential_process failed, and said ${said.trim() === '' ? 'nothing' : said}`
}
