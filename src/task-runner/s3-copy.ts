import { classify } from '../aws/classify.ts'
import type { DataPipeline } from '../aws/data-pipeline.ts'
import { AttemptTimeoutError } from '../aws/errors.ts'
import { errorMessage } from '../masking/error-message.ts'
import { formatValue, quoteValue } from '../masking/format.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'
import { retry } from '../util/retry.ts'
import { runCommand } from './command.ts'
import { OutputTail } from './output-tail.ts'

/** Thrown when files can't be copied from or to S3. The message is a sentence. */
export class StagingError extends Error {
  override readonly name = 'StagingError'
}

/** Copies from and to S3 with the AWS CLI, which does multipart, parallel transfers and retries. */
export interface S3Copy {
  /**
   * Copies one object, or with `recursive` everything below a folder.
   *
   * @throws StagingError
   */
  copy(from: string, to: string, options?: { readonly recursive?: boolean }): Promise<void>
  /** @throws StagingError when there is no AWS CLI */
  expectCli(): Promise<void>
}

export interface S3CopyDependencies {
  readonly dataPipeline: DataPipeline
  /** Of a command: without the inputs of the action. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** The folder in which the AWS CLI is started. */
  readonly cwd: string
  /** Aborted to stop a copy. */
  readonly stop: AbortSignal
}

const CREDENTIALS_BUDGET_MS = 60_000
const CREDENTIALS_TIMEOUT_MS = 15_000
/** On SIGINT, the AWS CLI removes the parts of a large file that it has uploaded. On SIGTERM it does not. */
const STOP_SIGNAL = 'SIGINT'
const GRACE_MS = 2_000
/** Half of a session of role-to-assume. */
const RENEWED_BEFORE_MS = 1_800_000
const MAX_ERROR_CHARACTERS = 600

const NO_CLI =
  'The AWS CLI is needed to copy files from and to S3, and there is no program "aws" in PATH. Install it in an earlier step'

/** Settings of other credentials than the given ones. */
const OTHER_CREDENTIALS =
  /^AWS_(PROFILE|DEFAULT_PROFILE|SESSION_TOKEN|SECURITY_TOKEN|CREDENTIAL_EXPIRATION|ROLE_ARN|WEB_IDENTITY_TOKEN_FILE)$/i

/** Copies with the credentials of the action. */
export function s3Copy({ dataPipeline, env, cwd, stop }: S3CopyDependencies): S3Copy {
  async function run(args: readonly string[], variables: Record<string, string>): Promise<void> {
    const errors = new OutputTail()
    const own = Object.entries(env).filter(([name]) => !OTHER_CREDENTIALS.test(name))
    const end = await runCommand(
      { file: 'aws', args, cwd, env: { ...Object.fromEntries(own), AWS_PAGER: '', ...variables } },
      {
        stop,
        stopSignal: STOP_SIGNAL,
        graceMs: () => GRACE_MS,
        onOutput(stream, chunk) {
          if (stream === 'stderr') errors.add(chunk)
          return undefined
        },
      },
    )
    if (end.kind === 'exited' && end.exitCode === 0) return
    if (end.kind === 'not-started') {
      const isMissing = (end.error as NodeJS.ErrnoException).code === 'ENOENT'
      throw new StagingError(`${isMissing ? NO_CLI : `The AWS CLI could not be started: ${errorMessage(end.error)}`}.`)
    }
    const how =
      end.kind === 'exited' ? `exit code ${end.exitCode}` : end.kind === 'signal' ? end.signal : 'it was stopped'
    const why = formatValue(errors.text(), MAX_ERROR_CHARACTERS)
    throw new StagingError(`"aws ${args.slice(0, 2).join(' ')}" failed (${how})${why === '' ? '.' : `: ${why}`}`)
  }

  return {
    async copy(from, to, { recursive = false } = {}) {
      const keys = await credentialsOf(dataPipeline)
      try {
        await run(['s3', 'cp', '--only-show-errors', ...(recursive ? ['--recursive'] : []), from, to], {
          AWS_REGION: dataPipeline.region,
          AWS_DEFAULT_REGION: dataPipeline.region,
          ...keys,
        })
      } catch (cause) {
        throw new StagingError(`Could not copy ${quoteValue(from)} to ${quoteValue(to)}: ${errorMessage(cause)}`, {
          cause,
        })
      }
    },
    expectCli: () => run(['--version'], {}),
  }
}

/** The credentials, renewed if that gives more time for a copy. @throws CredentialsError */
async function freshCredentials(dataPipeline: DataPipeline) {
  const expiration = await dataPipeline.expiration()
  if (expiration !== undefined && expiration - Date.now() < RENEWED_BEFORE_MS) await dataPipeline.renewCredentials()
  return dataPipeline.credentials()
}

/** @throws StagingError */
async function credentialsOf(dataPipeline: DataPipeline): Promise<Record<string, string>> {
  try {
    const { accessKeyId, secretAccessKey, sessionToken } = await retry(() => freshCredentials(dataPipeline), {
      deadline: new Deadline(systemClock, CREDENTIALS_BUDGET_MS),
      random: Math.random,
      attemptTimeoutMs: CREDENTIALS_TIMEOUT_MS,
      onAttemptTimeout: (ms) => new AttemptTimeoutError(`no response within ${formatSeconds(ms)}`),
      decide: (error) => (classify(error).transient ? 'retry-with-backoff' : 'fail'),
      onWait: () => undefined,
    })
    return {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      ...(sessionToken !== undefined && { AWS_SESSION_TOKEN: sessionToken }),
    }
  } catch (error) {
    throw new StagingError(`There are no credentials for S3: ${classify(error).message}.`, { cause: error })
  }
}
