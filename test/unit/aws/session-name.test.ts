import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { toSessionName } from '../../../src/aws/session-name.ts'

test.each([
  ['GitHubActions', 'GitHubActions'],
  ['me', 'me'],
  ['-a.b_c+d=e,f@g-', '-a.b_c+d=e,f@g-'],
  ['dependabot[bot]', 'dependabot-bot'],
  ['github-actions[bot]', 'github-actions-bot'],
  ['has space', 'has-space'],
  ['refs/heads/main', 'refs-heads-main'],
  ['[[a]] b', 'a-b'],
  ['Jos\u00e9 \u5de5', 'Jos'],
  ['x', 'GitHubActions'],
  ['\u5de5\u4f5c', 'GitHubActions'],
  ['a'.repeat(65), 'a'.repeat(64)],
])('%j becomes %j', (given, name) => {
  expect(toSessionName(given)).toBe(name)
})

test('of any text, STS takes it; what STS takes stays as it is', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[\w+=,.@-]{0,70}$/)), (given) => {
      const name = toSessionName(given)
      expect(name).toMatch(/^[A-Za-z0-9_+=,.@-]{2,64}$/)
      if (/^[A-Za-z0-9_+=,.@-]{2,64}$/.test(given)) expect(name).toBe(given)
    }),
  )
})
