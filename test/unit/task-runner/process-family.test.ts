// Real processes of Linux, all of which are ended after each test.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from '@jest/globals'
import { identify } from '../../../src/activity/process-identity.ts'
import { familyOf, killFamily, NO_PROCESS, signalGroup } from '../../../src/task-runner/process-family.ts'
import { eventually, isAlive, killAll } from '../../support/processes.ts'

const onLinux = process.platform === 'linux' ? describe : describe.skip

const started = new Set<number>()
afterEach(async () => {
  killAll([...started])
  expect(await eventually(() => ![...started].some(isAlive))).toBe(true)
  started.clear()
})

/**
 * Starts a shell in a session of its own. Gives its process id, and those that it prints: of what it has started.
 *
 * @param prints how many
 */
async function start(script: string, env: Record<string, string> = {}, prints = 0): Promise<[number, ...number[]]> {
  const child: ChildProcess = spawn('sh', ['-c', script], {
    detached: true,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const pid = child.pid as number
  started.add(pid)
  let text = ''
  while (text.split('\n').length <= prints) {
    const [chunk] = (await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data')) as [Buffer]
    text += chunk.toString()
  }
  child.stdout?.destroy()
  const others = text.trim().split('\n').filter(Boolean).map(Number)
  for (const other of others) started.add(other)
  return [pid, ...others]
}

const pidsOf = async (leader: number, marker: string): Promise<number[]> =>
  (await familyOf(leader, marker)).map(({ pid }) => pid).sort((one, other) => one - other)

const inOrder = (...pids: number[]): number[] => pids.sort((one, other) => one - other)

onLinux('the family of a command', () => {
  const NAME = 'TEST_OF_PROCESS_FAMILY'
  const value = randomUUID()
  const MARKER = `${NAME}=${value}`

  test('is itself, with the time when it started', async () => {
    const [leader] = await start('exec sleep 600')
    expect(await familyOf(leader, MARKER)).toEqual([identify(leader)])
  })

  test('has its process group, also what another process has adopted', async () => {
    const [leader, orphan = 0] = await start('(sleep 600 & echo $!); exec sleep 600', {}, 1)
    expect(await pidsOf(leader, MARKER)).toEqual(inOrder(leader, orphan))
  })

  test('has what descends from it in sessions of their own', async () => {
    const nested = 'setsid sh -c "setsid sleep 600 & echo \\$!; wait" & echo $!; wait'
    const [leader, child = 0, grandchild = 0] = await start(nested, {}, 2)
    expect(await pidsOf(leader, MARKER)).toEqual(inOrder(leader, child, grandchild))
  })

  test('has what has its variable in a session of its own, and what descends from that without it', async () => {
    const [leader] = await start('exec sleep 600')
    const [daemon, child = 0] = await start('env -i setsid sleep 600 & echo $!; wait', { [NAME]: value }, 1)
    expect(await pidsOf(leader, MARKER)).toEqual(inOrder(leader, daemon, child))
  })

  // An id of a task may be any text.
  test('has what has its variable with a text that is not ASCII', async () => {
    const [daemon] = await start('exec sleep 600', { [NAME]: `größe 🔥 ${value}` })
    expect(await pidsOf(NO_PROCESS, `${NAME}=größe 🔥 ${value}`)).toEqual([daemon])
  })

  test('has no strangers, nor what has a similar variable', async () => {
    const [leader] = await start('exec sleep 600')
    await start('exec sleep 600')
    await start('exec sleep 600', { [NAME]: `${value}-2`, [`X${NAME}`]: value, OTHER: MARKER })
    expect(await pidsOf(leader, MARKER)).toEqual([leader])
  })

  test('has nothing that has ended, which nobody has waited for', async () => {
    const [leader, zombie = 0] = await start('sleep 0 & echo $!; exec sleep 600', {}, 1)
    expect(await eventually(() => !isAlive(zombie))).toBe(true)
    expect(await pidsOf(leader, MARKER)).toEqual([leader])
  })

  test('has not this process', async () => {
    expect(await pidsOf(process.pid, MARKER)).not.toContain(process.pid)
  })
})

onLinux('the end of a family', () => {
  test('is that of its group and of what has left it, and of nobody else', async () => {
    const [leader, member = 0] = await start('sleep 600 & echo $!; wait', {}, 1)
    const [gone] = await start('exec sleep 600')
    const [stranger] = await start('exec sleep 600')
    // The number of a process that has ended, and which another one has by now.
    killFamily(leader, [identify(gone), { pid: stranger, startedAt: '1' }])
    expect(await eventually(() => ![leader, member, gone].some(isAlive))).toBe(true)
    expect(isAlive(stranger)).toBe(true)
  })

  test('without a leader is that of the others', async () => {
    const [left] = await start('exec sleep 600')
    killFamily(NO_PROCESS, [identify(left)])
    expect(await eventually(() => !isAlive(left))).toBe(true)
  })

  test('a group can be signalled while it has a process', async () => {
    const [leader, member = 0] = await start('sleep 600 & echo $!; wait', {}, 1)
    expect(signalGroup(leader, 0)).toBe(true)
    killAll([leader])
    expect(await eventually(() => !isAlive(leader))).toBe(true)
    expect(signalGroup(leader, 'SIGTERM')).toBe(true)
    expect(await eventually(() => !isAlive(member))).toBe(true)
    expect(await eventually(() => !signalGroup(leader, 0))).toBe(true)
  })
})
