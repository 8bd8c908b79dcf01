import { describe, expect, test } from '@jest/globals'
import { secretsFor } from '../../../src/aws/profile-secrets.ts'

const CONFIG = `
# a comment
[default]
region = us-east-1
[profile ci]
role_arn = arn:aws:iam::123456789012:role/ci
source_profile = keys ; of a person
[profile "with a name"]
  aws_secret_access_key=quoted/secret # until May
[profile one]
source_profile = other
[profile other]
source_profile = one
aws_session_token = token==
`
const CREDENTIALS =
  '[default]\r\naws_secret_access_key = default/secret\r\n[keys]\r\naws_secret_access_key = source/secret= \r\n' +
  'AWS_SESSION_TOKEN = source/token\r\n[toString]\r\naws_secret_access_key = another/secret\r\n'

describe('the secrets of a profile in the AWS files', () => {
  test.each([
    ['default', ['default/secret']],
    ['ci', ['source/secret=', 'source/token']],
    ['keys', ['source/secret=', 'source/token']],
    ['with a name', ['quoted/secret']],
    ['one', ['token==']],
    ['nobody', []],
    ['constructor', []],
    ['toString', ['another/secret']],
  ])('%s', (profile, secrets) => {
    expect(secretsFor(profile, [CONFIG, CREDENTIALS])).toEqual(secrets)
  })

  test('of no text are none', () => {
    expect(secretsFor('default', ['', 'aws_secret_access_key = of no profile'])).toEqual([])
  })
})
