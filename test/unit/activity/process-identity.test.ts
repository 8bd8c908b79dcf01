import { spawn } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { identify, isRunning, kill, type ProcessTable, thisMachine } from '../../../src/activity/process-identity.ts'

/** A system with these processes, by their numbers, and when they started; undefined: it does not tell. */
class Machine implements ProcessTable {
  readonly processes = new Map<number, string | undefined>()
  readonly killed: number[] = []
  /** What signalling any process fails with. */
  refusal: string | undefined

  constructor(processes: Readonly<Record<number, string | undefined>>) {
    for (const [pid, start] of Object.entries(processes)) this.processes.set(Number(pid), start)
  }

  signal(pid: number, signal: 0 | 'SIGKILL'): void {
    if (!this.processes.has(pid)) throw Object.assign(new Error('no such process'), { code: 'ESRCH' })
    if (this.refusal) throw Object.assign(new Error('refused'), { code: this.refusal })
    if (signal === 'SIGKILL') this.killed.push(pid)
  }

  startOf(pid: number): string | undefined {
    return this.processes.get(pid)
  }
}

describe('where the system tells when a process started (Linux)', () => {
  test('one that runs is running, and can be killed', () => {
    const machine = new Machine({ 7: '100' })
    const heartbeat = identify(7, machine)
    expect(isRunning(heartbeat, machine)).toBe(true)
    kill(heartbeat, machine)
    expect(machine.killed).toEqual([7])
  })

  test('one that is gone is not', () => {
    const machine = new Machine({ 7: '100' })
    const heartbeat = identify(7, machine)
    machine.processes.delete(7)
    expect(isRunning(heartbeat, machine)).toBe(false)
    expect(() => kill(heartbeat, machine)).not.toThrow()
  })

  test('a later one with its number is not it, and is not killed', () => {
    const machine = new Machine({ 7: '100' })
    const heartbeat = identify(7, machine)
    machine.processes.set(7, '200')
    expect(isRunning(heartbeat, machine)).toBe(false)
    kill(heartbeat, machine)
    expect(machine.killed).toEqual([])
  })

  // As with too many open files: a runner that is taken for gone would end the heartbeats.
  test('one whose start can not be read this time is running, and is not killed', () => {
    const machine = new Machine({ 7: '100' })
    const heartbeat = identify(7, machine)
    machine.processes.set(7, undefined)
    expect(isRunning(heartbeat, machine)).toBe(true)
    kill(heartbeat, machine)
    expect(machine.killed).toEqual([])
  })
})

describe('where it does not tell (Windows, macOS)', () => {
  test('any process with the number is running, and none is killed', () => {
    const machine = new Machine({ 7: undefined })
    const heartbeat = identify(7, machine)
    expect(isRunning(heartbeat, machine)).toBe(true)
    kill(heartbeat, machine)
    expect(machine.killed).toEqual([])
  })

  test('one that is gone is not running', () => {
    expect(isRunning({ pid: 7, startedAt: undefined }, new Machine({}))).toBe(false)
  })
})

// Linux and macOS say EPERM, Windows EPERM or EACCES.
test.each(['EPERM', 'EACCES'])("another user's process is running (%s)", (refusal) => {
  const machine = new Machine({ 7: '100' })
  machine.refusal = refusal
  expect(isRunning(identify(7, machine), machine)).toBe(true)
})

test('this machine knows this process, and none with a number that no system gives', () => {
  expect(isRunning(identify(process.pid))).toBe(true)
  expect(isRunning({ pid: 2 ** 30, startedAt: undefined })).toBe(false)
  expect(thisMachine.startOf(2 ** 30)).toBeUndefined()
})

const onLinux = process.platform === 'linux' ? test : test.skip

// In a container, nobody may wait for a runner that has ended.
onLinux('a process that has ended is not running, even if nobody has waited for it', async () => {
  // A shell whose child ends, and that becomes a program which waits for no child.
  const shell = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const pid = await new Promise<number>((resolve) => shell.stdout.once('data', (text) => resolve(Number(text))))
    const child = identify(pid)
    expect(isRunning(child)).toBe(true)
    while (isRunning(child)) await new Promise((resolve) => setTimeout(resolve, 20))
    // It still has its entry in the table of processes.
    expect(() => process.kill(pid, 0)).not.toThrow()
  } finally {
    shell.kill()
  }
})
