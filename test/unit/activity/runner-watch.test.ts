import { describe, expect, test } from '@jest/globals'
import {
  type Ancestry,
  ancestryOf,
  findWorker,
  isReliable,
  isWorker,
  watchedRunner,
  watchRunner,
} from '../../../src/activity/runner-watch.ts'

/** Processes by their numbers: the parent, and the command. */
function machine(processes: Readonly<Record<number, readonly [number, ...string[]]>>): Ancestry {
  return {
    commandOf: (pid) => processes[pid]?.slice(1).map(String) ?? [],
    parentOf: (pid) => processes[pid]?.[0] ?? 0,
  }
}

const WORKER = '/home/runner/bin/Runner.Worker'

describe('which process is the runner', () => {
  test.each<[string, string[], boolean]>([
    ['its Worker', [WORKER, 'spawnclient', '120', '123'], true],
    ['on Windows', ['C:\\actions-runner\\bin\\Runner.Worker.exe', 'spawnclient'], true],
    ['as a library of dotnet', ['dotnet', `${WORKER}.dll`, 'spawnclient'], true],
    ['its Listener', ['/home/runner/bin/Runner.Listener', 'run'], false],
    ['a program that is told of it', ['grep', 'x', WORKER], false],
    ['a folder with its name', [`${WORKER}/node`, 'index.js'], false],
    ['a text with its name in it', ['bash', `-c "echo ${WORKER} | cat"`], false],
    ['nothing', [], false],
  ])('%s', (_name, command, expected) => {
    expect(isWorker(command)).toBe(expected)
  })

  test('the nearest ancestor, through wrappers', () => {
    const processes = machine({
      1: [0, 'init'],
      7: [1, '/home/runner/bin/Runner.Listener'],
      8: [7, WORKER],
      9: [8, 'bash', 'node-wrapper'],
    })
    expect(findWorker(9, processes)).toBe(8)
    expect(findWorker(8, processes)).toBe(8)
    expect(findWorker(7, processes)).toBeUndefined()
  })

  test.each([
    ['in a container', machine({})],
    ['where parents go round in a circle', machine({ 5: [6, 'a'], 6: [5, 'b'] })],
  ])('none %s', (_name, processes) => {
    expect(findWorker(5, processes)).toBeUndefined()
  })

  test('in the output of ps', () => {
    const ancestry = ancestryOf(
      `    1     0 /sbin/launchd\n  120     1 ${WORKER} spawnclient 1 2\n  121   120 node index.js\n`,
    )
    expect(findWorker(121, ancestry)).toBe(120)
  })

  test('its end is sure to be seen only where the system tells when a process started', () => {
    expect(isReliable(watchedRunner(process.pid, process.pid))).toBe(process.platform === 'linux')
    expect(isReliable({ kind: 'worker', process: { pid: 7, startedAt: undefined } })).toBe(false)
    expect(isReliable(watchedRunner(process.pid, undefined))).toBe(false)
    expect(watchedRunner(0, undefined)).toBeUndefined()
    expect(watchedRunner(1, undefined)).toBeUndefined()
  })
})

describe('what a look at it shows', () => {
  const process = { pid: 8, startedAt: '100' }

  /** Looks every second: whether the process is there, and whether the main step is over. */
  function looks(kind: 'worker' | 'parent', there: (second: number) => boolean, stepOver = 0): string[] {
    let second = 0
    const look = watchRunner(
      { kind, process },
      () => second >= stepOver,
      () => second * 1_000,
      () => there(second),
    )
    return Array.from({ length: 30 }, (_, index) => {
      second = index
      return look()
    })
  }

  test('a Worker is lost when it is gone in two looks, a second apart', () => {
    const seen = looks('worker', (second) => second < 5)
    expect(seen.slice(4, 7)).toEqual(['there', 'missing', 'lost'])
  })

  test('a Worker that is there again was not lost', () => {
    const seen = looks('worker', (second) => second !== 5)
    expect(seen).not.toContain('lost')
  })

  test('a parent that ends soon after the step says nothing: it is a wrapper', () => {
    const seen = looks('parent', (second) => second < 9)
    expect(seen).not.toContain('gone')
    expect(seen).not.toContain('lost')
  })

  test('a parent that has outlived the step by 10 s is gone with it, which is no loss', () => {
    const seen = looks('parent', (second) => second < 17, 5)
    expect(seen.slice(16, 19)).toEqual(['there', 'gone', 'gone'])
    expect(seen).not.toContain('lost')
  })

  test('where nothing is watched, it is there', () => {
    const look = watchRunner(
      undefined,
      () => true,
      () => 0,
    )
    expect(look()).toBe('there')
  })
})
