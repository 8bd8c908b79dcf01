import { describe, expect, test } from '@jest/globals'
import { unusualOrigin } from '../../../src/aws/endpoint.ts'
import { shortTaskId } from '../../../src/masking/short-task-id.ts'
import { isLoopback, passwordIn, withoutUser } from '../../../src/util/address.ts'

describe('isLoopback', () => {
  test.each([
    ['127.0.0.1', true],
    ['127.255.255.254', true],
    ['localhost', true],
    ['LOCALHOST', true],
    ['::1', true],
    ['[::1]', true],
    ['0.0.0.0', false],
    ['::', false],
    ['10.0.0.1', false],
    ['169.254.169.254', false],
    ['128.0.0.1', false],
    ['127.0.0.1.example.com', false],
    ['127.example.com', false],
    ['localhost.example.com', false],
    ['notlocalhost', false],
    ['evil-localhost', false],
    ['[::ffff:10.0.0.1]', false],
    ['::2', false],
    ['', false],
  ])('%j: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected)
  })
})

test.each([
  ['https://datapipeline.us-east-1.amazonaws.com', 'us-east-1', true],
  ['https://datapipeline.us-iso-east-1.c2s.ic.gov', 'us-iso-east-1', true],
  ['https://datapipeline.us-east-1.amazonaws.com', 'eu-west-1', false],
  ['https://datapipeline-fips.us-east-1.amazonaws.com', 'us-east-1', false],
  ['https://datapipeline.us-east-1.api.aws', 'us-east-1', false],
  ['https://datapipeline.us-east-1.amazonaws.com.example.com', 'us-east-1', false],
  ['https://vpce-1.datapipeline.us-east-1.vpce.amazonaws.com', 'us-east-1', false],
  ['http://127.0.0.1:8080', 'us-east-1', false],
])('%s is where AWS documents the service for %s: %s', (origin, region, isUsual) => {
  expect(unusualOrigin(origin, region)).toBe(isUsual ? undefined : origin)
})

describe('an address', () => {
  test.each([
    ['https://user:hunter2secret@example.com/x', 'hunter2secret', 'https://example.com/x'],
    ['HTTP://user:a:b@example.com', 'a:b', 'HTTP://example.com'],
    ['user:hunter2secret@proxy.internal:3128', 'hunter2secret', 'proxy.internal:3128'],
    ['https://ghp_token@example.com', 'ghp_token', 'https://example.com'],
    ['https://ghp_token:@example.com', 'ghp_token', 'https://example.com'],
    ['https://a@b:hunter2secret@example.com', 'hunter2secret', 'https://example.com'],
    [' https://@example.com ', undefined, 'https://example.com'],
    ['https://example.com/path@v1?x=a@b', undefined, 'https://example.com/path@v1?x=a@b'],
    ['127.0.0.1:8080', undefined, '127.0.0.1:8080'],
    ['', undefined, ''],
  ])('%j: the password is %j, and without it %j', (address, password, rest) => {
    expect(passwordIn(address)).toBe(password)
    expect(withoutUser(address)).toBe(rest)
  })
})

describe('shortTaskId', () => {
  test('leaves a short one alone', () => {
    expect(shortTaskId('task-1')).toBe('task-1')
    expect(shortTaskId('x'.repeat(40))).toBe('x'.repeat(40))
  })

  test('shows the beginning, the end and the length of a long one', () => {
    expect(shortTaskId(`BEGIN${'x'.repeat(910)}END+/=`)).toBe('BEGINxxxxxxx…END+/= (921 characters)')
  })

  test('cuts no surrogate pair in two', () => {
    for (let shift = 0; shift < 4; shift++) {
      expect(shortTaskId('x'.repeat(shift) + '\u{1f600}'.repeat(100)).isWellFormed()).toBe(true)
    }
  })
})
