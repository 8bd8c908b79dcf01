// A temporary folder that other users share, as /tmp where RUNNER_TEMP is not set: what they put there is not believed,
// and what their links lead to is not written.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied } from '../fakes/aws/faults.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { preloading } from '../support/preload.ts'
import { removeFolder } from '../support/temporary-folder.ts'
import { effectsOf, type Holding, heartbeatOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent
/** Only the superuser can make files that belong to others. */
const asSuperuser = process.getuid?.() === 0 ? onLinux : (test.skip as typeof test.concurrent)
const ANOTHER_USER = 4242

/** Runs something with a folder of another user, which has a file "theirs". */
async function withTheirs(run: (folder: string, file: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'theirs-'))
  try {
    writeFileSync(join(folder, 'theirs'), 'not to be touched or shown')
    await run(folder, join(folder, 'theirs'))
  } finally {
    removeFolder(folder)
  }
}

function folderOf(held: Holding): string {
  return dirname(held.main.outputs['heartbeat-log'] ?? '')
}

/** Ends the process that holds the task, so that only its files tell of it. */
async function loseHeartbeat(held: Holding): Promise<void> {
  process.kill(heartbeatOf(held.job), 'SIGKILL')
  expect(await held.job.heartbeatsEnd()).toBe(true)
}

describe('the folder of an activity', () => {
  onLinux('has a name that nobody knows before it is made, and a link in it is not shown', async () => {
    await withTheirs(async (_folder, theirs) => {
      await using service = await LocalDataPipeline.start()
      // Whoever may read what is saved makes the folder first, and a link for the log in it.
      const seize = `import fs from 'node:fs'
        import { syncBuiltinESMExports } from 'node:module'
        const { appendFileSync } = fs
        fs.appendFileSync = (path, text, ...rest) => {
          appendFileSync(path, text, ...rest)
          const folder = /"folder":"([^"]+)"/.exec(text)?.[1]
          if (folder === undefined || fs.existsSync(folder)) return
          fs.mkdirSync(folder)
          fs.symlinkSync(${JSON.stringify(theirs)}, folder + '/heartbeat.log')
        }
        syncBuiltinESMExports()`
      using held = await startActivity(service, {}, { env: preloading(seize) })
      expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
      expect(readFileSync(theirs, 'utf8')).toBe('not to be touched or shown')
      // Later there is a link in place of the log: post does not show what it leads to.
      rmSync(held.main.outputs['heartbeat-log'] ?? '')
      symlinkSync(theirs, held.main.outputs['heartbeat-log'] ?? '')
      const post = await held.post()
      expect(post.stdout).not.toContain('not to be touched or shown')
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
    })
  })

  onLinux('has become a link while the task is held: nothing is written to what it leads to', async () => {
    await withTheirs(async (theirs) => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service)
      renameSync(folderOf(held), `${folderOf(held)}-away`)
      symlinkSync(theirs, folderOf(held))
      writeFileSync(join(theirs, 'state.json'), 'theirs')
      // The process writes its state when it has reported.
      await held.post()
      expect(readdirSync(theirs).sort()).toEqual(['state.json', 'theirs'])
      expect(readFileSync(join(theirs, 'state.json'), 'utf8')).toBe('theirs')
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
      expect(await held.job.heartbeatsEnd()).toBe(true)
    })
  })

  onLinux('has become a link to a forged state that says that all is reported: post reports', async () => {
    await withTheirs(async (theirs) => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service)
      await loseHeartbeat(held)
      const state = JSON.parse(readFileSync(join(folderOf(held), 'state.json'), 'utf8')) as object
      rmSync(folderOf(held), { recursive: true })
      symlinkSync(theirs, folderOf(held))
      const forged = { ...state, ended: 'runner-lost', reported: { by: 'loss', status: 'FAILED' } }
      writeFileSync(join(theirs, 'state.json'), JSON.stringify(forged))
      const post = await held.post()
      expect(post).toMatchObject({ exitCode: 0, errors: [] })
      expect(post.warnings[0]).toContain('Could not read the state of the heartbeats')
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
    })
  })
})

describe('where RUNNER_TEMP is not set', () => {
  onLinux('the files are in a folder that only this user can read, in that of the system', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    const system = join(job.temp, 'system')
    mkdirSync(system)
    chmodSync(system, 0o1777)
    using held = await startActivity(service, {}, { job, env: { RUNNER_TEMP: undefined, TMPDIR: system } })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(folderOf(held).startsWith(join(system, 'aws-datapipeline-activity-'))).toBe(true)
    expect(await held.post()).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
    expect(await job.heartbeatsEnd()).toBe(true)
  })
})

describe("another user's mark that a task is reported", () => {
  asSuperuser('stops no report', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(accessDenied('ReportTaskProgress'), accessDenied('SetTaskStatus'))
    using held = await startActivity(service, { 'fail-on-error': 'false' })
    chmodSync(held.job.temp, 0o1777)
    await held.root({ status: 'FAILED' })
    const [mark = ''] = readdirSync(held.job.temp).filter((name) => name.includes('report'))
    rmSync(join(held.job.temp, mark))
    writeFileSync(join(held.job.temp, mark), JSON.stringify({ owner: 'theirs', sent: true, by: 'step' }))
    // Else this test would prove nothing.
    const trusting = await held.post()
    expect(trusting.stdout).toMatch(/Nothing is reported/)
    chownSync(join(held.job.temp, mark), ANOTHER_USER, ANOTHER_USER)
    expect(await held.post()).toMatchObject({ exitCode: 0, errors: [] })
    expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
  })
})
