import { describe, expect, test } from '@jest/globals'
import { type HintContext, hintFor } from '../../../src/aws/error-hints.ts'

const CONTEXT: HintContext = {
  operation: 'SetTaskStatus',
  kind: 'unknown',
  gettingCredentials: false,
  usesRole: false,
  issuer: 'token.actions.githubusercontent.com',
  region: 'us-east-1',
  regionIsKnown: true,
  origin: undefined,
  isNoAddress: false,
  hasProxyRanges: false,
  timeSpent: false,
  isCutShort: false,
  outcomeUnknown: false,
  profile: undefined,
}

const PROFILE = { name: 'ci', variable: 'AWS_PROFILE' } as const

test.each<[string, Partial<HintContext>, RegExp]>([
  [
    'no credentials',
    { kind: 'no-credentials', gettingCredentials: true },
    /^Give this job AWS credentials before this step/,
  ],
  [
    'no credentials in a profile',
    { kind: 'no-credentials', gettingCredentials: true, profile: PROFILE },
    /^Found no credentials in the profile "ci", which AWS_PROFILE names\. Check the profile, or unset AWS_PROFILE\.$/,
  ],
  ['expired credentials', { kind: 'credentials-expired' }, /^The credentials expired before the end of the job/],
  [
    'an expired session of the role',
    { kind: 'credentials-expired', usesRole: true },
    /^AWS does not accept the session of the role/,
  ],
  ['rejected credentials', { kind: 'credentials-refused' }, /^AWS does not know these credentials/],
  [
    'a rejected session of the role',
    { kind: 'credentials-refused', usesRole: true },
    /^AWS does not accept the session/,
  ],
  ['a wrong clock', { kind: 'clock-corrected' }, /the machine's clock\.$/],
  ['no permission', { kind: 'access-denied' }, /"Action": "datapipeline:SetTaskStatus", "Resource": "\*"\}\.$/],
  [
    'no permission to poll',
    { kind: 'access-denied', operation: 'PollForTask' },
    /only the condition key datapipeline:workerGroup can narrow it.*"Action": "datapipeline:PollForTask"/,
  ],
  [
    'a role that this job may not assume',
    { kind: 'access-denied', gettingCredentials: true, usesRole: true },
    /^Check that the account has an identity provider for token\.actions\.githubusercontent\.com, and the role's trust policy/,
  ],
  [
    'a role of a profile that may not be assumed',
    { kind: 'access-denied', gettingCredentials: true },
    /^Check the role that the profile or AWS_ROLE_ARN names/,
  ],
  [
    'an invalid request for a role',
    { kind: 'invalid-request', gettingCredentials: true, usesRole: true },
    /identity provider/,
  ],
  ['no OIDC token', { kind: 'no-oidc-token' }, /githubstatus\.com/],
  ['no permission for OIDC tokens any more', { kind: 'oidc-refused' }, /about six hours/],
  ['no way to the token service', { kind: 'oidc-unreachable' }, /^This runner can't reach GitHub's token service/],
  ['an unknown task', { kind: 'task-not-found' }, /^Check the input task-id.*same region and account/],
  ['a deleted pipeline', { kind: 'pipeline-gone' }, /^If the pipeline was deleted/],
  ['an invalid request', { kind: 'invalid-request' }, /^Check the input task-id\. It must be the whole task id/],
  [
    'an invalid request after a lost response',
    { kind: 'invalid-request', outcomeUnknown: true },
    /^Check the status of the task attempt/,
  ],
  ['an untrusted certificate', { kind: 'untrusted-certificate' }, /NODE_EXTRA_CA_CERTS/],
  ['the network', { kind: 'network' }, /^Check the network of this runner.*if it is set\.$/],
  ['the network and ranges', { kind: 'network', hasProxyRanges: true }, /10\.0\.0\.0\/8, applies to addresses/],
  [
    'the network in an unknown region',
    { kind: 'network', region: 'eu-south-1', regionIsKnown: false },
    /not documented for eu-south-1/,
  ],
  ['the response of a proxy', { kind: 'invalid-response' }, /^Check the network of this runner/],
  ['a setting that is no address', { kind: 'unknown', isNoAddress: true }, /^A setting is not an address/],
  ['a spent budget', { kind: 'throttled', timeSpent: true }, /raise timeout-seconds\.$/],
  ['the end of the step', { kind: 'timeout', timeSpent: true, isCutShort: true }, /^The runner ended this step/],
  ['anything else', { kind: 'unknown' }, /^Run the job again with debug logging enabled\.$/],
])('%s', (_name, context, expected) => {
  expect(hintFor({ ...CONTEXT, ...context })).toMatch(expected)
})

describe('whose credentials and where to', () => {
  test.each([
    'access-denied',
    'credentials-expired',
    'credentials-refused',
    'pipeline-gone',
    'task-not-found',
  ] as const)('%s names the profile', (kind) => {
    expect(hintFor({ ...CONTEXT, kind, profile: PROFILE })).toMatch(
      / The credentials are those of the profile "ci", which AWS_PROFILE names\.$/,
    )
  })

  test('a throttled call does not', () => {
    expect(hintFor({ ...CONTEXT, kind: 'throttled', profile: PROFILE })).not.toContain('ci')
  })

  test.each([
    [
      'https://vpce.example.com',
      /^.* The call went to https:\/\/vpce\.example\.com, because of AWS_ENDPOINT_URL_DATA_PIPELINE/,
    ],
    [
      'https://datapipeline-fips.us-east-1.amazonaws.com',
      /Unset AWS_USE_FIPS_ENDPOINT, or the same setting of the profile/,
    ],
    ['https://datapipeline.us-east-1.api.aws', /Unset AWS_USE_DUALSTACK_ENDPOINT,/],
    ['https://datapipeline-fips.us-east-1.api.aws', /Unset AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT,/],
  ])('%s is named', (origin, expected) => {
    expect(hintFor({ ...CONTEXT, kind: 'task-not-found', origin })).toMatch(expected)
    expect(hintFor({ ...CONTEXT, kind: 'no-credentials', gettingCredentials: true, origin })).not.toContain(origin)
  })
})
