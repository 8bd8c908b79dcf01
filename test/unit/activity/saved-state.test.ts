import { describe, expect, test } from '@jest/globals'
import {
  ActivityRecord,
  restoreEndpoints,
  savedActivity,
  saveInvalidInputs,
} from '../../../src/activity/saved-state.ts'
import type { Runner } from '../../../src/github/runner.ts'
import { readActivityReportInputs } from '../../../src/inputs/activity.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'

const INPUTS = readActivityReportInputs((name) => (name === 'task-id' ? 't' : ''))
const HEARTBEAT = { pid: 7, startedAt: '9', folder: '/tmp/f' }

/** A runner that keeps what is saved. */
function runnerWith(env: Record<string, string> = {}) {
  let saved = ''
  const runner = {
    env,
    saveState(_name: string, value: string) {
      saved = value
    },
    state: () => saved,
  }
  return runner as unknown as Runner
}

describe('what a post step finds', () => {
  test('when the main step saved nothing', () => {
    expect(savedActivity(runnerWith())).toBeUndefined()
  })

  test('when the inputs are invalid', () => {
    const runner = runnerWith()
    saveInvalidInputs(runner)
    expect(savedActivity(runner)).toEqual({ outcome: 'invalid-inputs' })
  })

  test.each<[string, (record: ActivityRecord) => void, object]>([
    ['was killed at its start', () => undefined, { outcome: 'failed' }],
    [
      'was killed after it started the heartbeat process',
      (record) => record.heartbeatStarted(HEARTBEAT),
      { outcome: 'failed', heartbeat: HEARTBEAT },
    ],
    ['failed, and was allowed to', (record) => record.notHeld(), { outcome: 'not-held' }],
    [
      'found the task canceled',
      (record) => {
        record.heartbeatStarted(HEARTBEAT)
        record.taskLost('canceled')
      },
      { outcome: 'lost', reason: 'canceled', heartbeat: HEARTBEAT },
    ],
    [
      'holds the task',
      (record) => {
        record.heartbeatStarted({ ...HEARTBEAT, pid: 6 })
        record.running(HEARTBEAT, 'us-east-1')
      },
      {
        outcome: 'running',
        heartbeat: HEARTBEAT,
        region: 'us-east-1',
        endpoints: { AWS_ENDPOINT_URL: 'https://a', AWS_USE_FIPS_ENDPOINT: 'true' },
      },
    ],
  ])('when the main step %s', (_name, act, expected) => {
    const runner = runnerWith({
      AWS_ENDPOINT_URL: 'https://a',
      AWS_USE_FIPS_ENDPOINT: 'true',
      AWS_ENDPOINT_URL_STS: 'https://user:password@b',
      AWS_ENDPOINT_URL_DATA_PIPELINE: `https://${'x'.repeat(2048)}`,
    })
    act(new ActivityRecord(runner, INPUTS))
    expect(savedActivity(runner)).toEqual({ ...JSON.parse(JSON.stringify(INPUTS)), ...expected })
  })

  test('nothing, when the file of the runner can not be written: an error with a hint', () => {
    const runner = runnerWith()
    runner.saveState = () => {
      throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
    }
    expect(() => new ActivityRecord(runner, INPUTS)).toThrow(ConfigurationError)
    expect(() => new ActivityRecord(runner, INPUTS)).toThrow('Could not save the state for the post step: EACCES')
  })
})

describe('the endpoints of the main step', () => {
  test.each<[string, Record<string, string>, Record<string, string>, Record<string, string>]>([
    [
      'are set again',
      { AWS_ENDPOINT_URL: 'https://a' },
      { AWS_ENDPOINT_URL: 'https://b' },
      { AWS_ENDPOINT_URL: 'https://a' },
    ],
    ['are unset again', {}, { AWS_ENDPOINT_URL: 'https://b', AWS_USE_FIPS_ENDPOINT: 'true' }, {}],
    [
      'stay where they were not saved, as they have a password',
      {},
      { AWS_ENDPOINT_URL: 'https://user:password@b' },
      { AWS_ENDPOINT_URL: 'https://user:password@b' },
    ],
    [
      'are all that changes',
      { AWS_ENDPOINT_URL: 'https://a' },
      { HOME: '/root' },
      { AWS_ENDPOINT_URL: 'https://a', HOME: '/root' },
    ],
  ])('%s', (_name, saved, env, expected) => {
    restoreEndpoints(saved, env)
    expect(env).toEqual(expected)
  })
})
