import { describe, expect, test } from '@jest/globals'
import { classify } from '../../../src/aws/classify.ts'
import { AttemptTimeoutError, CredentialsError, InvalidResponseError } from '../../../src/aws/errors.ts'
import { OidcTokenError } from '../../../src/github/oidc-error.ts'
import { beginWithSecrets } from '../../../src/masking/known-secrets.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'

/** An error as the SDK throws it for an answer of a service. */
function response(name: string, httpStatusCode = 400, more: object = {}): Error {
  return Object.assign(new Error('the message'), {
    name,
    $metadata: { httpStatusCode, requestId: 'request-1', ...more },
  })
}

/** An error of Node's network code. */
function network(code: string, more: object = {}): Error {
  return Object.assign(new Error(`connect ${code}`), { code, ...more })
}

/** An answer of STS with a certain message. */
function saying(name: string, message: string): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 400 } })
}

/** What a provider of credentials threw, as a call throws it. */
function getting(cause: unknown): Error {
  return new CredentialsError('No AWS credentials could be had', { cause })
}

describe('an answer of the service', () => {
  test.each([
    ['ThrottlingException', 400, 'throttled', true],
    ['Throttling', 400, 'throttled', true],
    ['TooManyRequestsException', 429, 'throttled', true],
    ['RequestLimitExceeded', 503, 'throttled', true],
    ['Whatever', 429, 'throttled', true],
    ['InternalServiceError', 500, 'service-error', true],
    ['Whatever', 500, 'service-error', true],
    ['Whatever', 503, 'service-error', true],
    ['TaskNotFoundException', 400, 'task-not-found', false],
    ['PipelineNotFoundException', 400, 'pipeline-gone', false],
    ['PipelineDeletedException', 400, 'pipeline-gone', false],
    ['AccessDeniedException', 400, 'access-denied', false],
    ['AccessDenied', 403, 'access-denied', false],
    ['InvalidRequestException', 400, 'invalid-request', false],
    ['ValidationException', 400, 'invalid-request', false],
    ['ExpiredTokenException', 400, 'credentials-expired', false],
    ['UnrecognizedClientException', 400, 'credentials-refused', false],
    ['InvalidSignatureException', 400, 'credentials-refused', false],
    ['SomethingNew', 400, 'unknown', false],
  ] as const)('%s with status %i: %s, transient %s', (name, status, kind, transient) => {
    expect(classify(response(name, status))).toEqual({
      kind,
      transient,
      unsettled: name === 'UnrecognizedClientException',
      outcomeUnknown: false,
      gettingCredentials: false,
      message: `${name}: the message`,
      requestId: 'request-1',
    })
  })

  test('that told the right time is worth another try at once', () => {
    expect(classify(response('InvalidSignatureException', 400, { clockSkewCorrected: true }))).toMatchObject({
      kind: 'clock-corrected',
    })
  })
})

describe('no answer: whether the request may have taken effect', () => {
  test.each([
    ['refused', network('ECONNREFUSED', { syscall: 'connect' }), false],
    ['no such host', network('ENOTFOUND', { syscall: 'getaddrinfo' }), false],
    ['no name service', network('EAI_AGAIN', { syscall: 'getaddrinfo' }), false],
    ['no route', network('EHOSTUNREACH', { syscall: 'connect' }), false],
    ['a name service that has failed', network('EAI_FAIL', { syscall: 'getaddrinfo' }), false],
    ['no port left', network('EADDRNOTAVAIL', { syscall: 'connect' }), false],
    ['no tunnel', network('ERR_PROXY_TUNNEL'), false],
    ['no time left while connecting', network('ETIMEDOUT', { syscall: 'connect' }), false],
    ['a reset while connecting', network('ECONNRESET', { syscall: 'connect' }), false],
    [
      'a reset in the TLS handshake',
      Object.assign(new Error('Client network socket disconnected before secure TLS connection was established'), {
        code: 'ECONNRESET',
      }),
      false,
    ],
    ['a reset while reading', network('ECONNRESET', { syscall: 'read' }), true],
    ['hung up', Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }), true],
    ['a broken pipe', network('EPIPE', { syscall: 'write' }), true],
    ['silence on a connection', network('ETIMEDOUT', { syscall: 'read' }), true],
    ['no HTTP', network('HPE_INVALID_CONSTANT'), true],
    ['broken TLS', network('ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC'), true],
    ['a try that took too long', new AttemptTimeoutError('no answer within 2 s'), true],
    ['JSON cut short', new InvalidResponseError(200, 'cut'), true],
    ['a page with status 502', new InvalidResponseError(502, 'page'), true],
    ['a page with status 504', new InvalidResponseError(504, 'page'), true],
    [
      'two addresses, both refused',
      new AggregateError([
        network('ECONNREFUSED', { syscall: 'connect' }),
        network('ECONNREFUSED', { syscall: 'connect' }),
      ]),
      false,
    ],
  ])('%s', (_name, error, outcomeUnknown) => {
    expect(classify(error)).toMatchObject({ transient: true, outcomeUnknown })
  })

  test.each([
    [403, false],
    [404, false],
    [407, false],
    [408, true],
    [429, true],
    [200, true],
    [302, true],
    [502, true],
    [503, true],
  ])('a page with status %i: another try %s', (status, transient) => {
    expect(classify(new InvalidResponseError(status, 'page')).transient).toBe(transient)
  })

  test.each([
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])('a certificate that is not trusted (%s) is no matter of time', (code) => {
    expect(classify(network(code))).toMatchObject({
      kind: 'untrusted-certificate',
      transient: false,
      outcomeUnknown: false,
    })
  })
})

describe('getting credentials', () => {
  test.each([
    [
      'none there',
      Object.assign(new Error('Could not load'), { name: 'CredentialsProviderError' }),
      'no-credentials',
      false,
    ],
    ['a network error', network('ECONNRESET'), 'network', true],
    ['STS busy', response('Throttling'), 'throttled', true],
    ['STS has an error', response('InternalFailure', 500), 'service-error', true],
    ['STS does not reach GitHub', response('IDPCommunicationError'), 'service-error', true],
    ['the role says no', response('AccessDenied', 403), 'access-denied', false],
    ['the token expired on its way', response('ExpiredTokenException'), 'credentials-expired', true],
    ['an OIDC answer of no use', new OidcTokenError('none'), 'no-oidc-token', true],
    ['no OIDC token now', new OidcTokenError('none', { statusCode: 503 }), 'no-oidc-token', true],
    ['no right to an OIDC token any more', new OidcTokenError('none', { statusCode: 401 }), 'oidc-refused', false],
    [
      'nobody who gives OIDC tokens',
      new OidcTokenError('none', { cause: network('ENOTFOUND') }),
      'oidc-unreachable',
      true,
    ],
    [
      'somebody else who gives OIDC tokens',
      new OidcTokenError('none', { cause: network('CERT_HAS_EXPIRED') }),
      'untrusted-certificate',
      false,
    ],
    [
      'an OIDC token whose keys could not be fetched',
      saying('InvalidIdentityToken', "Couldn't retrieve verification key from your identity provider"),
      'service-error',
      true,
    ],
    ['a mistake of the user', new ConfigurationError('no id-token'), 'configuration', false],
  ] as const)('%s: %s, and nothing was sent to Data Pipeline', (_name, cause, kind, transient) => {
    expect(classify(getting(cause))).toMatchObject({ kind, transient, outcomeUnknown: false, gettingCredentials: true })
  })
})

test('what an error is does not depend on which of its words are secrets', () => {
  beginWithSecrets(['identity', 'OpenIDConnect'])
  const passing = saying('InvalidIdentityToken', "Couldn't retrieve verification key from your identity provider")
  const final = saying('InvalidIdentityToken', 'No OpenIDConnect provider found')
  expect(classify(getting(passing))).toMatchObject({ kind: 'service-error', message: expect.stringContaining('***') })
  expect(classify(getting(final))).toMatchObject({ unsettled: false, message: expect.stringContaining('***') })
  beginWithSecrets([])
})

describe('a refusal that may only come of servers not having heard yet', () => {
  test.each([
    ['of a role', getting(response('AccessDenied', 403)), true],
    ['of a role, with another word', getting(response('AccessDeniedException', 403)), true],
    ['of a token, for a reason that is not known', getting(saying('InvalidIdentityTokenException', 'Hm')), true],
    [
      'of a token, without a provider',
      getting(saying('InvalidIdentityToken', 'No OpenIDConnect provider found')),
      false,
    ],
    ['of a token, for its audience', getting(saying('InvalidIdentityToken', 'Incorrect token audience')), false],
    ['of a right to OIDC tokens', getting(new OidcTokenError('none', { statusCode: 401 })), true],
    ['of keys for a role', getting(response('InvalidClientTokenId', 403)), true],
    ['of keys for a role, with a wrong secret', getting(response('SignatureDoesNotMatch', 403)), false],
    ['of a session', response('UnrecognizedClientException'), true],
    ['of a wrong secret', response('InvalidSignatureException'), false],
    ['of a permission', response('AccessDeniedException'), false],
  ])('%s: %s', (_name, error, unsettled) => {
    expect(classify(error)).toMatchObject({ unsettled, transient: false })
  })
})

describe('things that are no errors', () => {
  test.each([['a text'], [undefined], [null], [42], [Symbol('x')], [{}], [{ cause: 'x' }], [Object.create(null)]])(
    '%p',
    (thrown) => {
      const failure = classify(thrown)
      expect(failure).toMatchObject({ kind: 'unknown', transient: false })
      expect(typeof failure.message).toBe('string')
    },
  )

  test('a circle of causes', () => {
    const error = new Error('round')
    error.cause = new Error('inner', { cause: error })
    expect(classify(error).kind).toBe('unknown')
  })
})
