import { quoteValue } from '../masking/format.ts'
import type { NamedProfile } from './environment-credentials.ts'
import type { FailureKind } from './errors.ts'

/** The calls of AWS Data Pipeline that need permission. */
export type Operation = 'PollForTask' | 'ReportTaskProgress' | 'SetTaskStatus'

/** What a hint may speak of. */
export interface HintContext {
  readonly operation: Operation
  readonly kind: FailureKind
  readonly gettingCredentials: boolean
  /** Whether it is the role of the input. */
  readonly usesRole: boolean
  /** Who issues the OIDC tokens of this job: a host, with a path on GitHub Enterprise Server. */
  readonly issuer: string
  readonly region: string | undefined
  readonly regionIsKnown: boolean
  /** Where the call went, when that is not the address of AWS for the region. */
  readonly origin: string | undefined
  /** Whether it failed on a setting that should be an address. */
  readonly isNoAddress: boolean
  /** Whether NO_PROXY has ranges of addresses, beside a proxy that is used. */
  readonly hasProxyRanges: boolean
  readonly timeSpent: boolean
  /** The runner wanted the step to end before its time was spent. */
  readonly isCutShort: boolean
  /** A try may have landed, as its answer was lost. */
  readonly outcomeUnknown: boolean
  /** Whose credentials are used; undefined when no variable names a profile, or others are used. */
  readonly profile: NamedProfile | undefined
}

const HINTS = {
  noCredentials:
    'Give this job AWS credentials before this step. If aws-actions/configure-aws-credentials was skipped because an earlier step failed, give it "if: always()" too, or use the input role-to-assume, which needs no step before it.',
  credentialsExpired:
    'The credentials did not live as long as the job. Use the input role-to-assume, which gets new ones for this step, or run aws-actions/configure-aws-credentials again before it.',
  credentialsRefused:
    "AWS does not know these credentials: check which ones this step has (AWS_ACCESS_KEY_ID, profile), and the machine's clock.",
  sessionRefused:
    "AWS does not accept the session that the role gave: run the job again. If that does not help, check the machine's clock, and AWS_ENDPOINT_URL_STS, if it is set.",
  roleOfProfileDenied:
    'Check the role that the profile or AWS_ROLE_ARN names, and its trust policy: it must allow sts:AssumeRole for the credentials, or sts:AssumeRoleWithWebIdentity for the issuer and the subject of the token file, that it is to be assumed with.',
  noOidcToken:
    "It is GitHub's token service that failed, or a proxy on the way. See https://www.githubstatus.com, and run the job again.",
  oidcRefused:
    "GitHub does not accept this job's right to ask for tokens any more; it lasts about six hours. For a longer job use other AWS credentials, or report from a later job.",
  oidcUnreachable:
    "This runner must reach GitHub's token service: check its network, and HTTPS_PROXY and NO_PROXY, if it needs a proxy.",
  taskNotFound:
    'Check the task-id: it must be the whole text from PollForTask, in the same region and account. A task that was reassigned (no ReportTaskProgress in time) or has ended may not be found any more.',
  pipelineGone:
    "If the pipeline was deleted, there is nothing left to report to. If not, check that region and account are the pipeline's.",
  invalidRequest:
    'Data Pipeline found the request itself invalid; check the task-id, which must be the whole text from PollForTask.',
  lookAtAttempt: 'Look at the attempt: if the lost report landed, it has its status already.',
  untrustedCertificate:
    'The certificate of the endpoint is not trusted here. If a proxy on the way has its own, set NODE_EXTRA_CA_CERTS, or AWS_CA_BUNDLE for AWS alone, to its certificate.',
  network:
    'Check the network of this runner: HTTPS_PROXY and NO_PROXY, if it needs a proxy, and AWS_ENDPOINT_URL_DATA_PIPELINE, if it is set.',
  proxyRanges:
    'A range in NO_PROXY, such as 10.0.0.0/8, counts for addresses, not for names: add the name of the host.',
  noAddress:
    'A setting has no address (https://host): check AWS_ENDPOINT_URL_STS, AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_EC2_METADATA_SERVICE_ENDPOINT and endpoint_url in the profile.',
  timeSpent: 'If the service was only busy, run the job again, or raise timeout-seconds.',
  cutShort: 'The runner ended this step before there was a response, as when the job is cancelled.',
  unknown: 'Run the job again with debug logging for the whole story.',
} as const

/** Where whose credentials they are may be what is wrong. */
const SAYS_WHOSE: ReadonlySet<FailureKind> = new Set([
  'access-denied',
  'credentials-expired',
  'credentials-refused',
  'pipeline-gone',
  'task-not-found',
])

/** How to mend a failed report, in a sentence or two. */
export function hintFor(context: HintContext): string {
  const { kind, profile, origin, gettingCredentials } = context
  const sentences = [
    mainHint(context),
    profile !== undefined && SAYS_WHOSE.has(kind) ? `The credentials are those of ${named(profile)}.` : '',
    origin !== undefined && !gettingCredentials ? whereTo(origin) : '',
  ]
  return sentences.filter((sentence) => sentence !== '').join(' ')
}

/** Says where a call went that did not go where AWS documents the service, and by which settings. */
function whereTo(origin: string): string {
  const { hostname } = new URL(origin)
  const variables = [
    ...(hostname.startsWith('datapipeline-fips.') ? ['AWS_USE_FIPS_ENDPOINT'] : []),
    ...(hostname.endsWith('.api.aws') ? ['AWS_USE_DUALSTACK_ENDPOINT'] : []),
  ]
  if (variables.length > 0) {
    return `AWS does not document ${origin} for Data Pipeline: unset ${variables.join(' and ')}, or what the profile has for it.`
  }
  return `The call went to ${origin}, as AWS_ENDPOINT_URL_DATA_PIPELINE, AWS_ENDPOINT_URL or the profile's endpoint_url says.`
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
  // Keys that sign a request, which a token of the input does not.
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
  return `No credentials came from ${named(profile)}: check the profile, or unset ${variable}.`
}

function accessDeniedHint(operation: Operation): string {
  // The only call with a condition key.
  const narrower =
    operation === 'PollForTask'
      ? 'it can be narrowed by the condition key datapipeline:workerGroup only'
      : `${operation} takes no narrower resource`
  return `Allow the call with this IAM statement (${narrower}): {"Effect": "Allow", "Action": "datapipeline:${operation}", "Resource": "*"}.`
}

function regionHint(region: string | undefined): string {
  return `AWS Data Pipeline is not known to exist in ${region ?? 'this region'}: set aws-region to the pipeline's region.`
}
