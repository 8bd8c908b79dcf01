import { expect, test } from '@jest/globals'
import { type LostTaskResponse, type Task, TaskQueue } from './tasks.ts'

const MINUTE = 60_000

function queueWith(options: { silentForMs?: number; lostTask?: LostTaskResponse } = {}) {
  const time = { now: 0 }
  const queue = new TaskQueue({
    clock: () => time.now,
    acknowledgeWithinMs: 2 * MINUTE,
    silentForMs: options.silentForMs,
    lostTask: options.lostTask ?? 'TaskNotFoundException',
  })
  const poll = (workerGroup = 'ci', holdMs = 0): Promise<Task | undefined> =>
    queue.poll(workerGroup, { hostname: undefined, holdMs, signal: new AbortController().signal })
  return { queue, time, poll }
}

test('tasks are assigned in their order, each to one poll', async () => {
  const { queue, poll } = queueWith()
  const tasks = [queue.add(), queue.add()]
  expect([await poll(), await poll(), await poll()]).toEqual([...tasks, undefined])
})

test('a worker group matches exactly', async () => {
  const { queue, poll } = queueWith()
  const task = queue.add({ workerGroup: 'Build*' })
  expect([await poll('build*'), await poll('Build'), await poll('Build*')]).toEqual([undefined, undefined, task])
})

test('of two held polls, the older one gets the task', async () => {
  const { queue, poll } = queueWith()
  const polls = [poll('ci', 200), poll('ci', 50)]
  const task = queue.add()
  await expect(Promise.all(polls)).resolves.toEqual([task, undefined])
})

test('a poll whose caller gives up stops waiting', async () => {
  const { queue } = queueWith()
  const caller = new AbortController()
  const poll = queue.poll('ci', { hostname: undefined, holdMs: 60_000, signal: caller.signal })
  caller.abort()
  await expect(poll).resolves.toBeUndefined()
  expect(queue.add().state).toBe('waiting')
})

test('a task that is not acknowledged in time goes to a later poll', async () => {
  const { queue, time, poll } = queueWith()
  const task = queue.add()
  await poll()
  time.now = 2 * MINUTE
  expect(await poll()).toBeUndefined()
  time.now += 1
  expect(await poll()).toBe(task)
  expect(task).toMatchObject({ state: 'assigned', assignments: 2, assignedTo: { at: 2 * MINUTE + 1 } })
})

test('a held poll gets a task that returns to the queue', async () => {
  const { queue, time, poll } = queueWith()
  const task = queue.add()
  await poll()
  const held = poll('ci', 5000)
  time.now = 3 * MINUTE
  await expect(held).resolves.toBe(task)
})

test('an acknowledged task stays with its holder, unless silence is limited', async () => {
  const { queue, time, poll } = queueWith()
  const { taskId } = queue.add()
  await poll()
  queue.reportProgress(taskId, [])
  time.now = 1e9
  expect(queue.get(taskId).state).toBe('running')
})

test('a task whose holder is silent for too long goes to a later poll', async () => {
  const { queue, time, poll } = queueWith({ silentForMs: 5 * MINUTE })
  const task = queue.add()
  await poll()
  for (const minute of [1, 6, 11]) {
    time.now = minute * MINUTE
    expect(queue.reportProgress(task.taskId, [])).toEqual({ canceled: false })
  }
  time.now = 16 * MINUTE + 1
  expect(() => queue.reportProgress(task.taskId, [])).toThrow('was not found')
  expect(await poll()).toBe(task)
  expect(task.progressReports.map(({ at }) => at / MINUTE)).toEqual([1, 6, 11])
})

test.each<[LostTaskResponse, string | undefined]>([
  ['TaskNotFoundException', 'TaskNotFoundException'],
  ['InvalidRequestException', 'InvalidRequestException'],
  ['accepted', undefined],
])('with lostTask %s, reports on an ended and on a reassigned task get %s', async (lostTask, code) => {
  const { queue, time, poll } = queueWith({ lostTask })
  const [ended, back] = [queue.add(), queue.add()]
  await poll()
  await poll()
  queue.setStatus(ended.taskId, { taskStatus: 'FINISHED' })
  time.now = 3 * MINUTE
  for (const { taskId } of [ended, back]) {
    expect(codeOf(() => queue.setStatus(taskId, { taskStatus: 'FAILED', errorId: 'Late' }))).toBe(code)
    expect(codeOf(() => queue.reportProgress(taskId, []))).toBe(code)
  }
  expect(ended).toMatchObject({ state: 'finished', status: 'FINISHED' })
  expect(ended).not.toHaveProperty('errorId')
  expect(back.state).toBe('waiting')
})

test('an unknown task is not found, with any setting of lostTask', () => {
  const { queue } = queueWith({ lostTask: 'accepted' })
  expect(codeOf(() => queue.setStatus('none', { taskStatus: 'FINISHED' }))).toBe('TaskNotFoundException')
  expect(codeOf(() => queue.reportProgress('none', []))).toBe('TaskNotFoundException')
  expect(() => queue.get('none')).toThrow('there is no task none')
})

test('a task that was never polled for can be reported on by anyone with its id', () => {
  const { queue } = queueWith()
  const task = queue.add()
  queue.setStatus(task.taskId, { taskStatus: 'FALSE' })
  expect(task.state).toBe('false')
})

test('a canceled task is not assigned, and an ended one is not canceled', async () => {
  const { queue, poll } = queueWith()
  const [canceled, ended] = [queue.add(), queue.add()]
  queue.cancel(canceled.taskId)
  queue.setStatus(ended.taskId, { taskStatus: 'FINISHED' })
  queue.cancel(ended.taskId)
  expect(await poll()).toBeUndefined()
  expect([canceled.state, ended.state]).toEqual(['canceled', 'finished'])
})

test('two tasks cannot have the same id', () => {
  const { queue } = queueWith()
  const { taskId } = queue.add()
  expect(() => queue.add({ taskId })).toThrow('there is already a task')
})

function codeOf(act: () => unknown): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as { code: string }).code
  }
}
