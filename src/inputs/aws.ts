import { DEFAULT_SESSION_NAME, toSessionName } from '../aws/session-name.ts'
import type { AwsSettings } from '../aws/settings.ts'
import { quoteValue } from '../masking/format.ts'
import { checkApiText, invalidValue, type ReadInput, readOptional } from './readers.ts'

const ROLE_ARN = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/
// STS API reference, AssumeRoleWithWebIdentity, RoleArn.
const MAX_ROLE_ARN_CHARACTERS = 2048
// IAM API reference, CreateOpenIDConnectProvider: a provider takes audiences of 255 characters; this leaves room for more.
const MAX_AUDIENCE_CHARACTERS = 1024
// RFC 1035, 2.3.1: it is a label of the endpoint's host name.
const REGION = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/

/** A sentence for each input that is used with another value, as its own is invalid and no reason to fail. */
export function inputAdjustments(read: ReadInput): string[] {
  const given = readOptional(read, 'role-session-name')
  if (given === undefined || readOptional(read, 'role-to-assume') === undefined) return []
  const name = toSessionName(given)
  if (name === given) return []
  return [
    `Invalid value ${quoteValue(given)} for input "role-session-name". Expected 2 to 64 letters, digits or any of _+=,.@-. The session is named "${name}".`,
  ]
}

/** @throws ConfigurationError */
export function readAwsSettings(read: ReadInput): AwsSettings {
  const region = readOptional(read, 'aws-region')
  const arn = readOptional(read, 'role-to-assume')
  const sessionName = toSessionName(readOptional(read, 'role-session-name') ?? DEFAULT_SESSION_NAME)
  const audience = readOptional(read, 'audience') ?? 'sts.amazonaws.com'
  if (region !== undefined && !REGION.test(region)) {
    throw invalidValue(
      'aws-region',
      region,
      "the pipeline's region, such as us-east-1, of at most 63 letters, digits and hyphens",
    )
  }
  if (arn === undefined) return { region, role: undefined }
  if (arn.length > MAX_ROLE_ARN_CHARACTERS || !ROLE_ARN.test(arn)) {
    throw invalidValue(
      'role-to-assume',
      arn,
      `the ARN of an IAM role, such as arn:aws:iam::123456789012:role/pipeline-reporter, of at most ${MAX_ROLE_ARN_CHARACTERS} characters`,
    )
  }
  return { region, role: { arn, sessionName, audience: checkApiText('audience', audience, MAX_AUDIENCE_CHARACTERS) } }
}
