import { quoteValue } from '../masking/format.ts'
import type { NamedProfile } from './environment-credentials.ts'
import type { FailureKind } from './errors.ts'

/** The calls of AWS Data Pipeline that need permission. */
export type Operation = 'PollForTask' | 'ReportTaskProgress' | 'SetTaskStatus'

/** What a hint depends on. */
export interface HintContext {
  readonly operation: Operation
  readonly kind: FailureKind
  readonly gettingCredentials: boolean
  /** Whether the credentials are those of the input role-to-assume. */
  readonly usesRole: boolean
  /** Who issues the OIDC tokens of this job: a host, with a path on GitHub Enterprise Server. */
  readonly issuer: string
  readonly region: string | undefined
  readonly regionIsKnown: boolean
  /** Where the call went; undefined when that is the address of AWS for the region. */
  readonly origin: string | undefined
  /** Whether a setting that should be an address is none. */
  readonly isNoAddress: boolean
  /** Whether a proxy is used, and NO_PROXY has ranges of addresses. */
  readonly hasProxyRanges: boolean
  readonly timeSpent: boolean
  /** The runner ended the step before its budget was spent. */
  readonly isCutShort: boolean
  /** An attempt got no response and may have succeeded. */
  readonly outcomeUnknown: boolean
  /** The profile whose credentials are used; undefined when no variable names one, or others are used. */
  readonly profile: NamedProfile | undefined
}

const HINTS = {
  noCredentials:
    'Give this job AWS credentials before this step. If aws-actions/configure-aws-credentials was skipped because an earlier step failed, give it "if: always()" too, or use the input role-to-assume, which needs no step before it.',
  credentialsExpired:
    'The credentials expired before the end of the job. Use the input role-to-assume, which gets new ones for this step, or run aws-actions/configure-aws-credentials again before it.',
  credentialsRefused:
    "AWS does not know these credentials. Check which ones this step has (AWS_ACCESS_KEY_ID, profile), and the machine's clock.",
  sessionRefused:
    "AWS does not accept the session of the role. Run the job again. If that does not help, check the machine's clock, and AWS_ENDPOINT_URL_STS, if it is set.",
  roleOfProfileDenied:
    'Check the role that the profile or AWS_ROLE_ARN names, and its trust policy. It must allow sts:AssumeRole for the credentials that assume it, or sts:AssumeRoleWithWebIdentity for the issuer and the subject of the token file.',
  noOidcToken: "GitHub's token service failed, or a proxy. Check https://www.githubstatus.com, and run the job again.",
  oidcRefused:
    "GitHub no longer accepts this job's permission to request tokens, which lasts about six hours. For a longer job, use other AWS credentials, or report from a later job.",
  oidcUnreachable:
    "This runner can't reach GitHub's token service. Check its network, and HTTPS_PROXY and NO_PROXY, if it needs a proxy.",
  taskNotFound:
    'Check the input task-id. It must be the whole task id from PollForTask, in the same region and account. A task that was reassigned (no ReportTaskProgress in time) or has ended may no longer be found.',
  pipelineGone:
    "If the pipeline was deleted, there is nothing to do. If not, check that region and account are the pipeline's.",
  invalidRequest: 'Check the input task-id. It must be the whole task id from PollForTask.',
  lookAtAttempt: 'Check the status of the task attempt: it is set if the attempt without a response succeeded.',
  untrustedCertificate:
    'This machine does not trust the certificate of the endpoint. If a proxy has its own certificate, set NODE_EXTRA_CA_CERTS to it, or AWS_CA_BUNDLE for AWS only.',
  network:
    'Check the network of this runner, HTTPS_PROXY and NO_PROXY, if it needs a proxy, and AWS_ENDPOINT_URL_DATA_PIPELINE, if it is set.',
  proxyRanges: 'A range in NO_PROXY, such as 10.0.0.0/8, applies to addresses, not to names. Add the name of the host.',
  noAddress:
    'A setting is not an address (https://host). Check AWS_ENDPOINT_URL_STS, AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_EC2_METADATA_SERVICE_ENDPOINT and endpoint_url in the profile.',
  timeSpent: 'If the service was busy, run the job again, or raise timeout-seconds.',
  cutShort: 'The runner ended this step before there was a response, as when the job is canceled.',
  unknown: 'Run the job again with debug logging enabled.',
} as const

/** Kinds of failures for which the hint names the profile. */
const KINDS_WITH_PROFILE: ReadonlySet<FailureKind> = new Set([
  'access-denied',
  'credentials-expired',
  'credentials-refused',
  'pipeline-gone',
  'task-not-found',
])

/** How to correct a failed call, in one sentence or more. */
export function hintFor(context: HintContext): string {
  const { kind, profile, origin, gettingCredentials } = context
  const sentences = [
    mainHint(context),
    profile !== undefined && KINDS_WITH_PROFILE.has(kind) ? `The credentials are those of ${named(profile)}.` : '',
    origin !== undefined && !gettingCredentials ? destinationHint(origin) : '',
  ]
  return sentences.filter((sentence) => sentence !== '').join(' ')
}

/** Where a call went that did not go to the documented address, and which settings caused it. */
function destinationHint(origin: string): string {
  const { hostname } = new URL(origin)
  const variables = [
    ...(hostname.startsWith('datapipeline-fips.') ? ['AWS_USE_FIPS_ENDPOINT'] : []),
    ...(hostname.endsWith('.api.aws') ? ['AWS_USE_DUALSTACK_ENDPOINT'] : []),
  ]
  if (variables.length > 0) {
    return `AWS does not document ${origin} for Data Pipeline. Unset ${variables.join(' and ')}, or the same setting of the profile.`
  }
  return `The call went to ${origin}, because of AWS_ENDPOINT_URL_DATA_PIPELINE, AWS_ENDPOINT_URL or the profile's endpoint_url.`
}

function mainHint(context: HintContext): string {
  if (context.isNoAddress) return HINTS.noAddress
  const { kind, gettingCredentials, usesRole } = context
  if (gettingCredentials && isRoleRefusal(kind, usesRole)) {
    return usesRole ? roleDeniedHint(context.issuer) : HINTS.roleOfProfileDenied
  }
  switch (kind) {
    case 'no-credentials':
      return context.profile === undefined ? HINTS.noCredentials : profileWithoutCredentials(context.profile)
    case 'credentials-expired':
      return usesRole ? HINTS.sessionRefused : HINTS.credentialsExpired
    case 'credentials-refused':
    case 'clock-corrected':
      return usesRole ? HINTS.sessionRefused : HINTS.credentialsRefused
    case 'access-denied':
      return accessDeniedHint(context.operation)
    case 'no-oidc-token':
      return HINTS.noOidcToken
    case 'oidc-refused':
      return HINTS.oidcRefused
    case 'oidc-unreachable':
      return HINTS.oidcUnreachable
    case 'task-not-found':
      return HINTS.taskNotFound
    case 'pipeline-gone':
      return HINTS.pipelineGone
    case 'invalid-request':
      return context.outcomeUnknown ? HINTS.lookAtAttempt : HINTS.invalidRequest
    case 'untrusted-certificate':
      return HINTS.untrustedCertificate
    case 'network':
      if (!context.regionIsKnown) return regionHint(context.region)
      return context.hasProxyRanges ? `${HINTS.network} ${HINTS.proxyRanges}` : HINTS.network
    case 'invalid-response':
      return HINTS.network
    default:
      if (context.isCutShort) return HINTS.cutShort
      return context.timeSpent ? HINTS.timeSpent : HINTS.unknown
  }
}

/** Whether STS refused to let this job assume a role. */
function isRoleRefusal(kind: FailureKind, usesRole: boolean): boolean {
  // Only a role of the input: other credentials are keys that sign the request.
  return kind === 'access-denied' || kind === 'invalid-request' || (kind === 'credentials-refused' && usesRole)
}

function roleDeniedHint(issuer: string): string {
  return `Check that the account has an identity provider for ${issuer}, and the role's trust policy: it must allow sts:AssumeRoleWithWebIdentity for it with this repository's subject and the audience of the input.`
}

function named({ name, variable }: NamedProfile): string {
  return `the profile ${quoteValue(name, 100)}, which ${variable} names`
}

function profileWithoutCredentials(profile: NamedProfile): string {
  const { variable } = profile
  return `Found no credentials in ${named(profile)}. Check the profile, or unset ${variable}.`
}

function accessDeniedHint(operation: Operation): string {
  // PollForTask is the only call with a condition key.
  const narrower =
    operation === 'PollForTask'
      ? 'only the condition key datapipeline:workerGroup can narrow it'
      : `${operation} takes no narrower resource`
  return `Allow the call with this IAM statement (${narrower}): {"Effect": "Allow", "Action": "datapipeline:${operation}", "Resource": "*"}.`
}

function regionHint(region: string | undefined): string {
  return `AWS Data Pipeline is not documented for ${region ?? 'this region'}. Set aws-region to the pipeline's region.`
}
