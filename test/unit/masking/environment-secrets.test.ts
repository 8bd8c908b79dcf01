import { describe, expect, test } from '@jest/globals'
import { isSecretVariable, secretsIn } from '../../../src/masking/environment-secrets.ts'

// One for each service that a job holds credentials of; a name that is missing here would be sent along with a log.
const NAMES = [
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_SECURITY_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
  'ACTIONS_RUNTIME_TOKEN',
  'GITHUB_TOKEN',
  'GH_TOKEN',
  'GH_ENTERPRISE_TOKEN',
  'GITHUB_ENTERPRISE_TOKEN',
  'INPUT_GITHUB-TOKEN',
]

describe.each(NAMES)('%s', (name) => {
  test('is a secret', () => {
    expect(isSecretVariable(name)).toBe(true)
    expect(secretsIn({ [name]: 'a value', PATH: '/bin' })).toEqual(['a value'])
  })

  test('is taken without the white space around it, with which nobody would find it in a text', () => {
    expect(secretsIn({ [name]: ' a value\r\n' })).toEqual(['a value'])
  })

  test('is none while it is empty', () => {
    expect(secretsIn({ [name]: '' })).toEqual([])
    expect(secretsIn({ [name]: ' \n' })).toEqual([])
    expect(secretsIn({ [name]: undefined })).toEqual([])
  })
})

test.each(['AWS_ACCESS_KEY_ID', 'AWS_REGION', 'PATH', 'constructor', ''])('%j is no secret', (name) => {
  expect(isSecretVariable(name)).toBe(false)
  expect(secretsIn({ [name]: 'a value' })).toEqual([])
})

test.each(['HTTPS_PROXY', 'http_proxy', 'AWS_ENDPOINT_URL', 'GITHUB_API_URL'])('a password in %s is one', (name) => {
  expect(secretsIn({ [name]: 'https://user:p%40ssword@example.com' })).toEqual(['p%40ssword', 'p@ssword'])
  expect(secretsIn({ [name]: 'https://user:100%@example.com' })).toEqual(['100%'])
  expect(secretsIn({ [name]: 'https://example.com' })).toEqual([])
})

test('an empty environment has none', () => {
  expect(secretsIn({})).toEqual([])
})

test.each(['AWS_SECRET_ACCESS_KEY', 'aws_secret_access_key', 'Github_Token', 'INPUT_GITHUB-TOKEN'])(
  '%s holds a credential: Windows knows no case',
  (name) => {
    expect(isSecretVariable(name)).toBe(true)
  },
)

test.each(['AWS_REGION', 'AWS_SECRET_ACCESS_KEY_2', 'PATH', ''])('%j holds none', (name) => {
  expect(isSecretVariable(name)).toBe(false)
})
