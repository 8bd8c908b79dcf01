import { expect, test } from '@jest/globals'
import { isSecretVariable } from '../../src/environment-secrets.ts'

test.each(['AWS_SECRET_ACCESS_KEY', 'aws_secret_access_key', 'Github_Token', 'INPUT_GITHUB-TOKEN'])(
  '%s holds a credential: Windows knows no case',
  (name) => {
    expect(isSecretVariable(name)).toBe(true)
  },
)

test.each(['AWS_REGION', 'AWS_SECRET_ACCESS_KEY_2', 'PATH', ''])('%j holds none', (name) => {
  expect(isSecretVariable(name)).toBe(false)
})
