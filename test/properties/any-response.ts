import fc from 'fast-check'
import { anyLongText, anyText } from '../support/texts.ts'
import { ALL_SECRETS, withSecrets } from './any-inputs.ts'
import { GIVEN_SECRETS, GOOD_RESPONSES, sessionXml } from './credential-source.ts'
import { ECHO, type HostileResponse, refusal, success } from './hostile-server.ts'

// Node sends nothing else in a header.
const headerText = anyText.map((text) => text.replaceAll(/[^\t\u0020-\u007e\u00a0-\u00ff]/g, '').trim())

const deep = fc
  .tuple(fc.constantFrom('[', '{"a":', '{"taskObject":', '<a>'), fc.integer({ min: 1, max: 20_000 }))
  .map(([opening, depth]) => opening.repeat(depth))

/** Any JSON value, including names that are special in JavaScript. */
const anyValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, -1, 1.5, 1e300, '', 'success'),
    anyText,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(fc.constantFrom('__proto__', 'toString', 'id', 'message', 'length'), anyText),
      tie('value'),
      {
        maxKeys: 4,
      },
    ),
  ),
})).value

/** Objects with known members, each of which may have any value or be missing. */
function nearly(members: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  const each = Object.fromEntries(
    Object.entries(members).map(([name, good]) => [
      name,
      fc.oneof({ arbitrary: good, weight: 8 }, { arbitrary: anyValue, weight: 1 }),
    ]),
  )
  return fc.oneof(
    { arbitrary: fc.record(each, { requiredKeys: [] }), weight: 4 },
    { arbitrary: fc.record(each), weight: 4 },
    { arbitrary: anyValue, weight: 1 },
  )
}

const status = fc.constantFrom(
  ...[
    200, 200, 200, 201, 204, 206, 299, 300, 302, 304, 307, 400, 401, 403, 404, 407, 408, 413, 429, 500, 502, 503, 504,
    999,
  ],
)

const breaks = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 12 },
  { arbitrary: fc.constantFrom('before the response' as const, 'within the response' as const), weight: 1 },
)

const ERROR_NAMES = [
  'TaskNotFoundException',
  'PipelineNotFoundException',
  'PipelineDeletedException',
  'InvalidRequestException',
  'ValidationException',
  'InternalServiceError',
  'ThrottlingException',
  'AccessDeniedException',
  'ExpiredTokenException',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'RequestTimeTooSkewed',
  'toString',
  '__proto__',
]
const errorName = fc.oneof(
  fc.constantFrom(...ERROR_NAMES),
  fc.constantFrom(...ERROR_NAMES).map((each) => `com.x#${each}`),
)

/** Messages of those who know the secrets of the environment. */
const said = fc.oneof(anyLongText, withSecrets(ALL_SECRETS))
/** Messages of Data Pipeline, which knows the token of a request. */
const saidByService = fc.oneof(anyLongText, withSecrets([...ALL_SECRETS, ...GIVEN_SECRETS]), fc.constant(`x ${ECHO} y`))

function errorBody(words: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  return nearly({ __type: fc.oneof(errorName, anyText, words), message: words, Message: words })
}

/** The value of every encrypted field is one of these. */
export const ENCRYPTED = ['open sesame 1', 'open "sesame" 2', 'open\nsesame 3']
const encrypted = fc.record({ key: anyText.map((each) => `*${each}`), stringValue: fc.constantFrom(...ENCRYPTED) })
const field = fc.oneof(
  { arbitrary: nearly({ key: anyText, stringValue: saidByService, refValue: saidByService }), weight: 4 },
  { arbitrary: encrypted, weight: 1 },
)
/** Fields that also repeat such a value in another field of the task. */
const repeated = fc.constantFrom(...ENCRYPTED).map((stringValue) => [
  { key: '*password', stringValue },
  { key: 'command', stringValue: `load --password ${stringValue}` },
])
const fields = fc.array(fc.oneof({ arbitrary: field, weight: 5 }, { arbitrary: repeated, weight: 1 }), { maxLength: 5 })
const object = nearly({ id: anyText, name: anyText, fields: fields.map((each) => each.flat()) })
const task = nearly({
  taskId: fc.oneof(anyText, fc.string({ minLength: 1, maxLength: 900 })),
  pipelineId: saidByService,
  attemptId: fc.constantFrom('@A', '__proto__', ''),
  objects: fc.dictionary(fc.constantFrom('@A', '__proto__', 'toString', 'B'), object, { maxKeys: 3 }),
})

const BODY_OF_CALL: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  PollForTask: nearly({ taskObject: task }),
  ReportTaskProgress: nearly({ canceled: fc.boolean() }),
  ReportTaskRunnerHeartbeat: nearly({ terminate: fc.boolean() }),
  SetTaskStatus: fc.oneof(fc.constant({}), anyValue),
}

const anyBody = (value: fc.Arbitrary<unknown>, words = said): fc.Arbitrary<string | Uint8Array> =>
  fc.oneof(
    { arbitrary: value.map((each) => JSON.stringify(each) ?? ''), weight: 6 },
    { arbitrary: errorBody(words).map((each) => JSON.stringify(each) ?? ''), weight: 3 },
    { arbitrary: words, weight: 1 },
    { arbitrary: deep, weight: 1 },
    { arbitrary: fc.uint8Array({ maxLength: 200 }), weight: 1 },
    { arbitrary: fc.constantFrom('', ' ', '{}', 'null', '[]', '<html></html>', '\ufeff{}'), weight: 2 },
  )

const awsHeaders = fc
  .record(
    {
      'x-amzn-requestid': fc.oneof(fc.constant('5c1c6a7e-0000-4000-8000-000000000001'), headerText),
      'content-type': fc.oneof(
        { arbitrary: fc.constant('application/x-amz-json-1.1'), weight: 4 },
        { arbitrary: fc.constantFrom('text/html', 'application/json', 'application/x-amz-json-2.0', ''), weight: 1 },
        { arbitrary: headerText, weight: 1 },
      ),
      'x-amzn-errortype': fc.oneof(errorName, headerText),
      'x-amzn-query-error': headerText,
      'x-amz-crc32': fc.constantFrom('1', 'x'),
      date: fc.oneof(fc.constantFrom('Thu, 01 Jan 1970 00:00:00 GMT', 'soon'), headerText),
      'retry-after': fc.constantFrom('0', '1', '99999999', '-1'),
      location: fc.constantFrom('/', 'http://[', 'file:///etc/passwd'),
      'content-encoding': fc.constantFrom('gzip', 'br', 'x'),
    },
    { requiredKeys: [] },
  )
  .map((headers) => Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)))

function response(body: fc.Arbitrary<string | Uint8Array>, headers: fc.Arbitrary<Record<string, string>>) {
  return fc.record({ status, headers, body, breaks }) as fc.Arbitrary<HostileResponse>
}

/** Responses to a call of Data Pipeline, from the service or from anything in between. */
export function awsResponse(call: string): fc.Arbitrary<HostileResponse> {
  const body = BODY_OF_CALL[call] ?? anyValue
  return fc.oneof(
    { arbitrary: response(anyBody(body, saidByService), awsHeaders), weight: 6 },
    { arbitrary: fc.constantFrom(...ERROR_NAMES).map((each) => refusal(each)), weight: 2 },
    // The result of another attempt after one that succeeded.
    { arbitrary: fc.constant(refusal('TaskNotFoundException')), weight: 1 },
    { arbitrary: body.map(success), weight: 2 },
  )
}

/** Responses of STS and of GitHub's token service, including valid ones. */
export const stsResponse: fc.Arbitrary<HostileResponse> = response(
  fc.oneof(
    fc.constant(sessionXml()),
    fc
      .constantFrom('ExpiredTokenException', 'AccessDenied', 'InvalidIdentityToken')
      .map(
        (code) =>
          `<ErrorResponse><Error><Code>${code}</Code><Message>::error::x ${ECHO}</Message></Error></ErrorResponse>`,
      ),
    anyText.map((text) => `<AssumeRoleWithWebIdentityResponse>${text}</AssumeRoleWithWebIdentityResponse>`),
    anyBody(anyValue),
  ),
  fc.constantFrom({ 'content-type': 'text/xml' }, { 'x-amzn-requestid': '::error::x' }, {}),
)

export const oidcResponse: fc.Arbitrary<HostileResponse> = response(
  fc.oneof(fc.constant(GOOD_RESPONSES['oidc']?.body ?? ''), anyBody(nearly({ value: anyText }))),
  fc.constantFrom({}, { 'content-type': 'application/json' }),
)

const time = fc.oneof(
  fc.constantFrom('2026-01-02T03:04:05Z', '2026-01-02T03:04:06Z', '2026-01-02T03:04:07Z'),
  fc.constantFrom(null, '', 'yesterday', '+275760-09-13T00:00:01Z'),
)
const conclusion = fc.constantFrom('success', 'failure', 'cancelled', 'skipped', 'timed_out', null, 'constructor')
const step = nearly({ name: said, conclusion, number: fc.nat(), started_at: time, completed_at: time })
const job = nearly({
  id: fc.nat(1000),
  name: fc.oneof(fc.constantFrom('build', 'test (1, 2)', 'load / inner', '__proto__'), said),
  status: fc.constantFrom('completed', 'in_progress', 'queued'),
  conclusion,
  runner_name: fc.constantFrom('runner-1', 'runner-2', null),
  html_url: fc.oneof(fc.constant('https://github.com/octo-org/pipes/actions/runs/4711/job/1'), anyText),
  steps: fc.array(step, { maxLength: 6 }),
})
const jobs = fc.oneof(
  { arbitrary: fc.array(job, { maxLength: 6 }), weight: 20 },
  { arbitrary: job.map((each) => Array.from({ length: 100 }, () => each)), weight: 1 },
)
const annotation = nearly({
  annotation_level: fc.constantFrom('failure', 'warning'),
  message: said,
  path: fc.oneof(fc.constantFrom('.github', 'src/a.c'), said),
  start_line: fc.nat(100),
})
const line = fc
  .tuple(
    fc.constantFrom('2026-01-02T03:04:05.1234567Z ', '2026-01-02T03:04:06.5Z ', '\ufeff2026-01-02T03:04:07Z ', ''),
    fc.constantFrom('##[error]', '##[group]Run ', '##[endgroup]', '::error::', 'Post job cleanup.', ''),
    fc.oneof(anyText, said),
  )
  .map((parts) => parts.join(''))
const log = fc.array(line, { maxLength: 40 }).map((lines) => lines.join('\n'))

const githubHeaders = fc
  .record(
    {
      location: fc.oneof(
        { arbitrary: fc.constant('/log'), weight: 4 },
        {
          arbitrary: fc.constantFrom('', 'http://[', 'file:///etc/passwd', 'http://127.0.0.1:1/x', '//', '?'),
          weight: 1,
        },
      ),
      'content-type': fc.oneof(fc.constant('application/json; charset=utf-8'), headerText),
      link: headerText,
      'retry-after': fc.constantFrom('1', 'x'),
      'x-ratelimit-remaining': fc.constant('0'),
    },
    { requiredKeys: [] },
  )
  .map((headers) => Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)))

/** Responses to a path of GitHub's API, or of the log storage behind it. */
export function githubResponse(path: string): fc.Arbitrary<HostileResponse> {
  const json = { 'content-type': 'application/json; charset=utf-8' }
  const good = (body: fc.Arbitrary<unknown>): fc.Arbitrary<HostileResponse> =>
    body.map((value) => ({ status: 200, headers: json, body: JSON.stringify(value) ?? '' }))
  const of = (body: fc.Arbitrary<unknown>): fc.Arbitrary<HostileResponse> =>
    fc.oneof({ arbitrary: good(body), weight: 5 }, { arbitrary: response(anyBody(body), githubHeaders), weight: 1 })
  if (path.endsWith('/logs')) {
    const redirect = fc.constant<HostileResponse>({ status: 302, headers: { location: '/log' }, body: '' })
    return fc.oneof(
      { arbitrary: redirect, weight: 5 },
      { arbitrary: response(anyBody(anyValue), githubHeaders), weight: 1 },
    )
  }
  if (path.startsWith('/log')) {
    const text = log.map((body): HostileResponse => ({ status: 200, headers: {}, body }))
    return fc.oneof(
      { arbitrary: text, weight: 5 },
      { arbitrary: response(anyBody(anyValue), githubHeaders), weight: 1 },
    )
  }
  if (path.includes('/annotations')) return of(fc.array(annotation, { maxLength: 5 }))
  if (path.includes('/attempts/')) return of(nearly({ total_count: fc.nat(), jobs }))
  return of(job)
}

/** One response for each kind of path. */
export const githubResponses = fc.record({
  jobs: fc.array(githubResponse('/attempts/'), { minLength: 1, maxLength: 3 }),
  job: fc.array(githubResponse('/jobs/1'), { minLength: 1, maxLength: 3 }),
  annotations: githubResponse('/annotations'),
  logs: githubResponse('/logs'),
  log: githubResponse('/log'),
})

export type GitHubResponses = typeof githubResponses extends fc.Arbitrary<infer Responses> ? Responses : never

/** Selects the response to a path. */
export function githubResponseTo(responses: GitHubResponses, path: string, before: number): HostileResponse {
  const one = (of: readonly HostileResponse[]): HostileResponse => of[before % of.length] as HostileResponse
  if (path.includes('/annotations')) return responses.annotations
  if (path.includes('/attempts/')) return one(responses.jobs)
  if (path.includes('/logs')) return responses.logs
  return path.includes('/actions/jobs/') ? one(responses.job) : responses.log
}
