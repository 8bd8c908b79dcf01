import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Call, DataPipeline, Task } from '../../../src/aws/data-pipeline.ts'
import { InvalidResponseError } from '../../../src/aws/errors.ts'
import { pollTasks } from '../../../src/polling/poll-tasks.ts'
import { sizeOfOutputs, sizeOfTask } from '../../../src/polling/task-outputs.ts'
import type { Deadline } from '../../../src/util/deadline.ts'
import { runs } from '../../properties/runs.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND

/** How a call goes: after how long it gives what. Only polls give a task. */
interface Turn {
  readonly takesMs?: number
  readonly gives?: 'task' | 'nothing' | 'canceled' | 'terminate' | Error
}

function failing(name: string): Error {
  return Object.assign(new Error(`that is ${name}`), { name, $metadata: { httpStatusCode: 400 } })
}

const BUSY = failing('ThrottlingException')
const DENIED = failing('AccessDeniedException')

interface Course {
  /** The n-th poll, from 0; by default there is none. */
  readonly polls?: (index: number, now: number) => Turn
  readonly progress?: (taskId: string, now: number) => Turn
  readonly heartbeats?: (index: number) => Turn
  readonly maxTasks?: number
  readonly waitMs?: number
  readonly pollers?: number
  readonly taskrunnerId?: string
  readonly budgetMs?: number
  readonly random?: () => number
  /** Characters in the objects of each task. */
  readonly size?: number
  /** The encrypted fields of each task. */
  readonly encrypted?: Task['encrypted']
  /** When the runner wants the step to end. */
  readonly stopAt?: number
}

interface Done {
  readonly operation: 'poll' | 'progress' | 'heartbeat'
  readonly taskId?: string
  readonly from: number
  to: number
}

/** Takes tasks from a service of its own, on a clock of its own. */
async function take(course: Course) {
  const clock = new FakeClock()
  const calls: Done[] = []
  const lines: string[] = []
  const acknowledged = new Set<string>()
  /** Reported on with an answer that nobody waited for. */
  const unanswered = new Set<string>()
  let underWay = 0
  let maxConcurrent = 0

  async function call(what: Omit<Done, 'from' | 'to'>, turn: Turn, { signal, onSend }: Call): Promise<Turn['gives']> {
    onSend?.()
    const done: Done = { ...what, from: clock.now(), to: Number.POSITIVE_INFINITY }
    calls.push(done)
    if (what.operation === 'poll') underWay += 1
    maxConcurrent = Math.max(maxConcurrent, underWay)
    await clock.sleep(turn.takesMs ?? 10, signal)
    if (what.operation === 'poll') underWay -= 1
    done.to = clock.now()
    if (signal.aborted) throw Object.assign(new Error('aborted'), { name: 'AbortError' })
    if (turn.gives instanceof Error) throw turn.gives
    return turn.gives
  }
  const of = (operation: Done['operation']): Done[] => calls.filter((each) => each.operation === operation)

  let taskNumber = 0
  const unused = (): never => {
    throw new Error('not part of taking tasks')
  }
  const dataPipeline: DataPipeline = {
    region: 'us-east-1',
    unusualOrigin: undefined,
    source: undefined,
    credentials: async () => ({ accessKeyId: '', secretAccessKey: '' }),
    renewCredentials: async () => false,
    hasNewSession: () => false,
    expiration: async () => undefined,
    setTaskStatus: unused,
    close: () => undefined,
    async pollForTask(_request, options) {
      const turn = course.polls?.(of('poll').length, clock.now()) ?? {}
      if ((await call({ operation: 'poll' }, turn, options)) !== 'task') return undefined
      const attemptId = `@A_${taskNumber}`
      const objects = {
        [attemptId]: { id: attemptId, name: 'A', fields: [{ key: 'x', stringValue: 'x'.repeat(course.size ?? 1) }] },
      }
      return {
        taskId: `task-${taskNumber++}`,
        pipelineId: 'df-1',
        attemptId,
        objects,
        encrypted: course.encrypted ?? [],
      } satisfies Task
    },
    async reportTaskProgress(taskId, options) {
      const turn = course.progress?.(taskId, clock.now()) ?? {}
      options.signal.addEventListener('abort', () => unanswered.add(taskId))
      const canceled = (await call({ operation: 'progress', taskId }, turn, options)) === 'canceled'
      if (!canceled) acknowledged.add(taskId)
      return { canceled }
    },
    async reportTaskRunnerHeartbeat(_request, options) {
      const turn = course.heartbeats?.(of('heartbeat').length) ?? {}
      return { terminate: (await call({ operation: 'heartbeat' }, turn, options)) === 'terminate' }
    },
  }

  const deadlines: Deadline[] = []
  const unconfirmed: string[] = []
  let stopped = false
  if (course.stopAt !== undefined)
    void clock.sleep(course.stopAt).then(() => {
      stopped = true
      for (const deadline of deadlines) deadline.shorten(7 * SECOND)
    })
  const say = (line: string): void => {
    lines.push(line)
  }
  const { tasks, failure } = await clock.run(
    pollTasks(
      {
        workerGroup: 'ci',
        hostname: 'runner-1',
        maxTasks: course.maxTasks ?? 1,
        waitMs: course.waitMs ?? 0,
        pollers: course.pollers ?? 1,
        taskrunnerId: course.taskrunnerId,
      },
      {
        dataPipeline,
        clock,
        random: course.random ?? (() => 0.5),
        log: { info: say, debug: say, notice: say, warning: (line) => say(`warning: ${line}`), group: say },
        mask: (texts) => say(`mask: ${texts.join()}`),
        budgetMs: course.budgetMs ?? 2 * MINUTE,
        attemptTimeoutMs: 15 * SECOND,
        bindToShutdown(deadline) {
          deadlines.push(deadline)
          return deadline
        },
        isShuttingDown: () => stopped,
        onUnconfirmed: ({ taskId }) => unconfirmed.push(taskId),
      },
    ),
  )
  return {
    unconfirmed,
    ids: tasks.map(({ taskId }) => taskId),
    tasks,
    failure,
    calls,
    polls: of('poll'),
    heartbeats: of('heartbeat'),
    progress: (taskId: string) => of('progress').filter((each) => each.taskId === taskId),
    acknowledged,
    unanswered,
    lines,
    log: lines.join('\n'),
    warnings: lines.filter((line) => line.startsWith('warning')),
    maxConcurrent,
    endedAt: clock.now(),
  }
}

const task: Turn = { gives: 'task' }
const nothing: Turn = { gives: 'nothing' }
/** As the service does with a poll for which there is no task. */
const heldOpen: Turn = { takesMs: 90 * SECOND, gives: 'nothing' }

/** The longest time between two of these moments. */
function maxGap(moments: readonly number[]): number {
  return Math.max(...moments.slice(1).map((at, index) => at - (moments[index] ?? 0)))
}

describe('polling', () => {
  test('once, with no time to wait', async () => {
    const { ids, polls, failure } = await take({ polls: () => nothing })
    expect(ids).toEqual([])
    expect(polls).toHaveLength(1)
    expect(failure).toBeUndefined()
  })

  test('with the service holding each call: until the time is over, not longer than one more call', async () => {
    const { polls, endedAt, failure } = await take({ polls: () => heldOpen, waitMs: 10 * MINUTE })
    expect(polls.length).toBeGreaterThanOrEqual(6)
    expect(endedAt).toBeGreaterThanOrEqual(10 * MINUTE)
    expect(endedAt).toBeLessThanOrEqual(12 * MINUTE)
    expect(failure).toBeUndefined()
  })

  test('with the service answering at once: at most one call a second', async () => {
    const { polls } = await take({ polls: () => ({ ...nothing, takesMs: 1 }), waitMs: 5 * MINUTE, random: () => 0 })
    const starts = polls.map(({ from }) => from)
    expect(Math.min(...starts.slice(1).map((at, index) => at - (starts[index] ?? 0)))).toBeGreaterThanOrEqual(1_000)
    expect(polls.length).toBeGreaterThan(100)
  })

  test('takes the time of the service: an answer after 90 s and some is waited for', async () => {
    const { ids } = await take({ polls: () => ({ takesMs: 100 * SECOND, gives: 'task' }) })
    expect(ids).toEqual(['task-0'])
  })

  test('that has no answer within 110 s is given up, and never made again', async () => {
    const { ids, polls, failure, endedAt } = await take({
      polls: (index) => (index === 0 ? { takesMs: 10 * MINUTE, gives: 'task' } : task),
      waitMs: 60 * MINUTE,
    })
    expect(polls).toHaveLength(1)
    expect(ids).toEqual([])
    expect(failure?.error.failure.kind).toBe('timeout')
    expect(endedAt).toBeGreaterThanOrEqual(110 * SECOND)
    expect(endedAt).toBeLessThanOrEqual(115 * SECOND)
  })

  describe('that was held and then cut off', () => {
    const RESET = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })
    const cut = (gives: Error, seconds = 60): Turn => ({ takesMs: seconds * SECOND, gives })

    test.each([
      ['a reset', RESET],
      ['a gateway that gave up', new InvalidResponseError(504, 'the response is not from AWS')],
      ['a proxy that is overloaded', new InvalidResponseError(503, 'the response is not from AWS')],
    ])('by %s, every time: none yet, until the time is over, with one warning', async (_name, error) => {
      const { ids, polls, failure, warnings, endedAt } = await take({ polls: () => cut(error), waitMs: 10 * MINUTE })
      expect(failure).toBeUndefined()
      expect(ids).toEqual([])
      expect(polls).toHaveLength(10)
      expect(endedAt).toBeLessThanOrEqual(12 * MINUTE)
      expect(warnings).toEqual([
        expect.stringContaining(`cut off after 60 s while the service held it: ${error.message}`),
      ])
      expect(warnings[0]).toContain('another poll gets that after two minutes')
    })

    test('goes on to the task that comes later', async () => {
      const { ids } = await take({ polls: (index) => (index < 3 ? cut(RESET) : task), waitMs: 10 * MINUTE })
      expect(ids).toEqual(['task-0'])
    })

    test('with no time to wait: there is no task', async () => {
      const { ids, polls, failure } = await take({ polls: () => cut(RESET) })
      expect([ids, polls.length, failure]).toEqual([[], 1, undefined])
    })

    test('after tasks were taken: they are handed on', async () => {
      const { ids, failure } = await take({
        polls: (index) => (index < 2 ? task : cut(RESET)),
        maxTasks: 20,
        waitMs: 10 * MINUTE,
      })
      expect([ids, failure]).toEqual([['task-0', 'task-1'], undefined])
    })

    test.each<[string, Turn]>([
      ['broke soon', cut(RESET, 1)],
      ['never reached the service', cut(Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' }))],
      ['was refused by a proxy', cut(new InvalidResponseError(403, 'the response is not from AWS'))],
      ['failed in the service', cut(failing('InternalServiceError'))],
    ])('is told from one that %s, which fails', async (_name, turn) => {
      const { failure, warnings } = await take({ polls: () => turn, waitMs: 10 * MINUTE })
      expect(failure).toBeDefined()
      expect(warnings).toEqual([])
    })
  })

  test.each(['ThrottlingException', 'InternalServiceError'])('by %s is made again, with waits', async (name) => {
    const { ids, polls } = await take({ polls: (index) => (index < 5 ? { gives: failing(name) } : task) })
    expect(ids).toEqual(['task-0'])
    expect(polls).toHaveLength(6)
  })

  test('that goes on failing ends with the budget', async () => {
    const { failure, endedAt, polls } = await take({ polls: () => ({ gives: BUSY }), budgetMs: 30 * SECOND })
    expect(failure?.error.failure.kind).toBe('throttled')
    expect(endedAt).toBeLessThanOrEqual(60 * SECOND)
    expect(polls.length).toBeGreaterThan(4)
  })

  test('that fails for good is not made again', async () => {
    const { failure, polls } = await take({ polls: () => ({ gives: DENIED }), waitMs: MINUTE })
    expect(failure?.error.failure.kind).toBe('access-denied')
    expect(polls).toHaveLength(1)
  })

  test('that several do at once begins at different times', async () => {
    const at = async (random: number, pollers: number): Promise<number> =>
      (await take({ polls: () => task, pollers, random: () => random })).polls[0]?.from ?? -1
    expect(await at(0.99, 1)).toBe(0)
    expect(await at(0, 20)).toBe(0)
    // Two calls a second for the account: twenty take ten seconds.
    expect(await at(0.5, 20)).toBeCloseTo(5 * SECOND, -2)
    expect(await at(0.99, 20)).toBeGreaterThan(9 * SECOND)
    expect(await at(0.99, 20)).toBeLessThanOrEqual(10 * SECOND)
    expect(await at(0.99, 256)).toBeLessThanOrEqual(128 * SECOND)
  })

  test('begins no more when the runner wants the step to end', async () => {
    const { polls, endedAt } = await take({
      polls: (_index, now) => (now > 30 * SECOND ? task : nothing),
      waitMs: 60 * MINUTE,
      stopAt: 30 * SECOND,
    })
    expect(polls.filter(({ from }) => from > 30 * SECOND)).toEqual([])
    expect(endedAt).toBeLessThanOrEqual(37 * SECOND)
  })

  test('begins no more between two of many tasks either', async () => {
    const { polls, ids, progress } = await take({
      polls: () => ({ takesMs: 2 * SECOND, gives: 'task' }),
      maxTasks: 100,
      stopAt: 21 * SECOND,
    })
    expect(polls.filter(({ from }) => from > 21.5 * SECOND)).toEqual([])
    for (const id of ids) expect(progress(id)).not.toEqual([])
  })
})

describe('taking', () => {
  test('acknowledges each task before it asks for the next', async () => {
    const { calls, ids } = await take({ polls: () => task, maxTasks: 20 })
    expect(calls.map(({ operation }) => operation)).toEqual(Array(20).fill(['poll', 'progress']).flat())
    expect(ids).toEqual(Array.from({ length: 20 }, (_, index) => `task-${index}`))
  })

  test('tells of a task whose acknowledgement got no response, and only of that', async () => {
    const hanging: Turn = { takesMs: 1e12 }
    const { ids, unconfirmed } = await take({
      polls: (index) => (index < 2 ? task : nothing),
      progress: (taskId) => (taskId === 'task-1' ? hanging : {}),
      maxTasks: 3,
    })
    expect([ids, unconfirmed]).toEqual([['task-0', 'task-1'], ['task-1']])
  })

  test('takes what there is, and does not wait for more', async () => {
    const { ids, polls } = await take({ polls: (i) => (i < 3 ? task : nothing), maxTasks: 256, waitMs: 60 * MINUTE })
    expect(ids).toHaveLength(3)
    expect(polls).toHaveLength(4)
  })

  test('masks what is encrypted before anything is said', async () => {
    const { lines } = await take({
      polls: () => task,
      encrypted: [{ key: '*password', stringValue: 'open sesame' }],
      progress: () => ({ gives: 'canceled' }),
      maxTasks: 1,
      stopAt: SECOND,
    })
    expect(lines.slice(0, 2)).toEqual(['mask: open sesame', expect.stringContaining('canceled')])
  })

  test('leaves out what was cancelled, and goes on for as many as were asked for', async () => {
    const { ids } = await take({
      polls: () => task,
      maxTasks: 3,
      progress: (id) => (id === 'task-1' ? { gives: 'canceled' } : {}),
    })
    expect(ids).toEqual(['task-0', 'task-2', 'task-3'])
  })

  test('hands on what was taken when a later poll fails, or has no answer', async () => {
    for (const turn of [{ gives: DENIED }, { takesMs: 10 * MINUTE }, { gives: BUSY }]) {
      const { ids, failure } = await take({ polls: (index) => (index < 2 ? task : turn), maxTasks: 20 })
      expect(ids).toEqual(['task-0', 'task-1'])
      expect(failure).toBeDefined()
    }
  })

  test('does not hand on what could not be acknowledged, and ends', async () => {
    const { ids, failure, warnings } = await take({
      polls: (index) => (index < 3 ? task : nothing),
      maxTasks: 3,
      progress: (id) => (id === 'task-1' ? { gives: DENIED } : {}),
    })
    // The next one could not be acknowledged, either.
    expect(ids).toEqual(['task-0'])
    expect(failure).toMatchObject({ operation: 'ReportTaskProgress' })
    expect(warnings).toEqual([])
  })

  test('hands on what was acknowledged with an answer that was lost', async () => {
    let calls = 0
    const { ids } = await take({
      polls: (index) => (index < 1 ? task : nothing),
      // The first has no answer in time; then the service is away.
      progress: () => (calls++ === 0 ? { takesMs: MINUTE } : { gives: failing('InternalServiceError') }),
    })
    expect(ids).toEqual(['task-0'])
  })
})

describe('tasks that are held while others are waited for', () => {
  test('are kept: reported again, none silent for five minutes', async () => {
    const { ids, progress, endedAt } = await take({
      polls: (index) => (index < 12 ? { takesMs: 50 * SECOND, gives: 'task' } : heldOpen),
      maxTasks: 256,
    })
    expect(ids).toHaveLength(12)
    for (const id of ids) {
      const beats = progress(id).map(({ to }) => to)
      expect(maxGap([...beats, endedAt])).toBeLessThanOrEqual(2.5 * MINUTE)
    }
    expect(progress('task-0').length).toBeGreaterThan(5)
  })

  test('are reported once a minute, however often others are taken', async () => {
    const { progress } = await take({
      polls: (index) => (index < 31 ? { takesMs: 10 * SECOND, gives: 'task' } : nothing),
      maxTasks: 256,
    })
    // Acknowledged, then five minutes of polling, and once more when they are handed on at most.
    expect(progress('task-0').length).toBeLessThanOrEqual(7)
  })

  test('are fresh when they are handed on', async () => {
    const { ids, progress, endedAt } = await take({
      polls: (index) => (index < 2 ? task : heldOpen),
      maxTasks: 5,
    })
    for (const id of ids) expect(endedAt - (progress(id).at(-1)?.to ?? 0)).toBeLessThanOrEqual(61 * SECOND)
  })

  test('are let go when the service cancels them', async () => {
    const { ids } = await take({
      polls: (index) => (index < 3 ? { takesMs: 50 * SECOND, gives: 'task' } : nothing),
      maxTasks: 256,
      progress: (id, now) => (id === 'task-0' && now > MINUTE ? { gives: 'canceled' } : {}),
    })
    expect(ids).toEqual(['task-1', 'task-2'])
  })

  // They are acknowledged and not cancelled: if nobody goes on with them, they are silent until the service notices.
  test('are handed on also when they could not be reported again', async () => {
    const { ids } = await take({
      polls: (index) => (index < 3 ? { takesMs: 50 * SECOND, gives: 'task' } : nothing),
      maxTasks: 256,
      progress: (id, now) => (id === 'task-0' && now > MINUTE ? { gives: failing('InternalServiceError') } : {}),
    })
    expect(ids).toContain('task-0')
  })

  test('do not wait for one another when the service is away: no task is silent for five minutes', async () => {
    const { ids, progress, endedAt } = await take({
      polls: (index) => (index < 6 ? { takesMs: 12 * SECOND, gives: 'task' } : nothing),
      maxTasks: 256,
      progress: (id, now) => (now > MINUTE && id === 'task-0' ? { gives: BUSY } : {}),
    })
    for (const id of ids.filter((each) => each !== 'task-0'))
      expect(maxGap([...progress(id).map(({ to }) => to), endedAt])).toBeLessThanOrEqual(5 * MINUTE)
  })
})

describe('the heartbeat of the task runner', () => {
  test('is sent at the start and every 15 minutes', async () => {
    const { heartbeats, calls } = await take({ polls: () => heldOpen, waitMs: 60 * MINUTE, taskrunnerId: 'r' })
    expect(calls[0]?.operation).toBe('heartbeat')
    expect(heartbeats.length).toBeGreaterThanOrEqual(4)
    expect(heartbeats.length).toBeLessThanOrEqual(5)
    // A poll that is held makes it later.
    expect(maxGap(heartbeats.map(({ from }) => from))).toBeLessThanOrEqual(15 * MINUTE + 100 * SECOND)
  })

  test('is not sent without an id', async () => {
    const { heartbeats } = await take({ polls: () => heldOpen, waitMs: 60 * MINUTE })
    expect(heartbeats).toEqual([])
  })

  test('ends the polling when the service wants that; what was taken is handed on', async () => {
    const { ids, polls, warnings } = await take({
      polls: () => ({ takesMs: 80 * SECOND, gives: 'task' }),
      maxTasks: 256,
      taskrunnerId: 'r',
      heartbeats: (index) => (index === 0 ? {} : { gives: 'terminate' }),
    })
    expect(ids.length).toBe(polls.length)
    expect(ids.length).toBeGreaterThan(8)
    expect(ids.length).toBeLessThan(14)
    expect(warnings.length).toBeGreaterThan(0)
  })

  test('that fails is told, and keeps nobody from polling for long', async () => {
    for (const turn of [{ gives: DENIED }, { gives: BUSY }, { takesMs: 10 * MINUTE }]) {
      const { ids, warnings, polls } = await take({ polls: () => task, taskrunnerId: 'r', heartbeats: () => turn })
      expect(ids).toEqual(['task-0'])
      expect(warnings).toHaveLength(1)
      expect(polls[0]?.from).toBeLessThanOrEqual(30 * SECOND)
    }
  })
})

describe('the size of the outputs', () => {
  test.each([1_000, 10_000, 50_000, 100_000])('with tasks of %d characters stays below 1 MB', async (size) => {
    const { tasks, acknowledged, warnings } = await take({ polls: () => task, maxTasks: 256, size })
    expect(sizeOfOutputs(tasks.map(sizeOfTask)) * 2).toBeLessThan(1_000_000)
    expect(tasks.length).toBe(acknowledged.size)
    expect(tasks.length).toBeGreaterThan(0)
    if (tasks.length < 256) expect(warnings.join()).toContain('1 MB')
  })

  test('with small tasks allows 256', async () => {
    const { tasks, warnings } = await take({ polls: () => task, maxTasks: 256, size: 400 })
    expect(tasks).toHaveLength(256)
    expect(warnings).toEqual([])
  })
})

test('any course of things: each task that is acknowledged and not cancelled is handed on, and no other', async () => {
  const anyTurn = fc.record<Turn>({
    takesMs: fc.constantFrom(10, 1_000, 30_000, 90_000, 120_000),
    gives: fc.constantFrom<Turn['gives']>('task', 'task', 'task', 'nothing', BUSY, DENIED),
  })
  const anyProgress = fc.record<Turn>({
    takesMs: fc.constantFrom(10, 1_000, 10_000),
    gives: fc.constantFrom<Turn['gives']>('nothing', 'nothing', 'nothing', 'canceled', BUSY),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyTurn, { minLength: 1, maxLength: 8 }),
      fc.array(anyProgress, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 600_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      async (polls, progress, maxTasks, waitMs, number) => {
        const cancelled = new Set<string>()
        let turns = 0
        const { ids, acknowledged, unanswered, maxConcurrent } = await take({
          // Not without end, where all are cancelled.
          polls: (index) => (index < 60 ? polls[index % polls.length] : undefined) ?? nothing,
          progress: (id) => {
            const turn = progress[turns++ % progress.length] ?? {}
            if (turn.gives === 'canceled') cancelled.add(id)
            return turn
          },
          maxTasks,
          waitMs,
          random: () => number,
        })
        expect(maxConcurrent).toBeLessThanOrEqual(1)
        expect(ids.length).toBeLessThanOrEqual(maxTasks)
        expect(new Set(ids).size).toBe(ids.length)
        for (const id of acknowledged) if (!cancelled.has(id)) expect(ids).toContain(id)
        for (const id of ids) {
          expect(acknowledged.has(id) || unanswered.has(id)).toBe(true)
          expect(cancelled).not.toContain(id)
        }
      },
    ),
    { numRuns: runs(60) },
  )
})

test('a task that comes while the step is being stopped is not acknowledged: another poll gets it', async () => {
  const { ids, acknowledged, polls } = await take({
    polls: () => ({ takesMs: 3 * SECOND, gives: 'task' }),
    maxTasks: 5,
    stopAt: SECOND,
  })
  expect(polls).toHaveLength(1)
  expect(acknowledged.size).toBe(0)
  expect(ids).toEqual([])
})

test('many tasks that can not be reported again in an outage are handed on soon, with one warning', async () => {
  const outageFrom = 80 * SECOND
  const { ids, warnings, endedAt } = await take({
    polls: (index) => (index < 20 ? task : heldOpen),
    maxTasks: 256,
    progress: (_id, now) => (now > outageFrom ? { gives: failing('InternalServiceError') } : {}),
  })
  expect(ids).toHaveLength(20)
  expect(warnings).toHaveLength(1)
  expect(endedAt).toBeLessThanOrEqual(5 * MINUTE)
})
