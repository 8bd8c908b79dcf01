// The whole action poll-for-task: any inputs and any responses.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { callStep } from '../support/called-step.ts'
import { INPUT_TOKEN, pollForTaskInputs, SECRETS } from './any-inputs.ts'
import { awsResponse, stsResponse } from './any-response.ts'
import { credentialSource, environmentOf, GOOD_RESPONSES, inputsOf, secretsHad } from './credential-source.ts'
import { asRead, expectCleanEnd, expectNoSecret, withoutSecrets } from './expectations.ts'
import { type Exchange, HostileServer, saysSuccess, success } from './hostile-server.ts'
import { PROPERTY_LIMIT_MS, runs } from './runs.ts'

let server: HostileServer
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.stop())

const responses = fc.record({
  PollForTask: fc.array(awsResponse('PollForTask'), { maxLength: 6 }),
  ReportTaskProgress: fc.array(awsResponse('ReportTaskProgress'), { maxLength: 6 }),
  ReportTaskRunnerHeartbeat: fc.array(awsResponse('ReportTaskRunnerHeartbeat'), { maxLength: 3 }),
  sts: fc.array(stsResponse, { maxLength: 2 }),
})

test(
  'any inputs, any responses: one clean end, and every task that was acknowledged is handed on',
  async () => {
    await fc.assert(
      fc.asyncProperty(pollForTaskInputs, responses, credentialSource, async (inputs, scripts, source) => {
        server.exchanges.length = 0
        server.reply = (call, _path, before) =>
          scripts[call as keyof typeof scripts]?.[before] ?? GOOD_RESPONSES[call] ?? success()
        const run = await callStep({
          action: 'poll-for-task',
          inputs: { ...inputs, ...inputsOf(source) },
          env: { ...SECRETS, GH_TOKEN: INPUT_TOKEN, ...environmentOf(source, server.url) },
        })
        const secrets = secretsHad(source, server.exchanges)
        expectCleanEnd('poll-for-task', run, secrets)
        const visible = [run.stdout, run.summary, ...Object.values(run.outputs)].join('\n')
        expect(visible).not.toMatch(/sesame/)
        // A task id is from the service, and is sent back unchanged.
        for (const { call, body } of server.exchanges) {
          if (call !== 'ReportTaskProgress' && call !== 'sts') expectNoSecret(body, secrets)
        }
        if (Object.keys(run.outputs).length === 0) {
          // Invalid inputs: no call was made.
          expect(run.exitCode).toBe(1)
          expect(server.exchanges).toEqual([])
          return
        }
        const tasks = JSON.parse(run.outputs['tasks'] ?? '') as { 'task-id': string; fields: object }[]
        expect(run.outputs['count']).toBe(String(tasks.length))
        expect(run.outputs['found']).toBe(String(tasks.length > 0))
        expect(run.outputs['task-id']).toBe(asRead(tasks[0]?.['task-id']))
        expect(JSON.parse(run.outputs['task-ids'] ?? '')).toEqual(tasks.map((task) => task['task-id']))
        for (const name of ['fields', 'objects']) expect(typeof JSON.parse(run.outputs[name] ?? '')).toBe('object')
        expect(tasks.length).toBeLessThanOrEqual(Number(inputs['max-tasks']?.trim() || '1'))
        if (tasks.length > 0) expect(run.exitCode).toBe(0)

        const given = server
          .of('PollForTask')
          .filter(({ response }) => saysSuccess(response))
          .map(taskIdOf)
        const held = server
          .of('ReportTaskProgress')
          .filter(({ response }) => saysSuccess(response) && !isCanceled(response))
        const ids = tasks.map((task) => task['task-id'])
        const canceled = server
          .of('ReportTaskProgress')
          .filter(({ response }) => saysSuccess(response) && isCanceled(response))
        const said = (id: unknown): string => withoutSecrets(asRead(id))
        // The service may assign the same task twice, and cancel it once.
        if (new Set(given).size === given.length) {
          for (const { body } of canceled) expect(ids).not.toContain((JSON.parse(body) as { taskId: unknown }).taskId)
        }
        for (const id of ids) expect(given.map(said)).toContain(said(id))
        for (const { body } of held) {
          expect(ids.map(said)).toContain(said((JSON.parse(body) as { taskId: unknown }).taskId))
        }
      }),
      { numRuns: runs(300) },
    )
  },
  PROPERTY_LIMIT_MS,
)

function memberOf(response: Exchange['response'], name: string): unknown {
  const text = Buffer.from(response.body).toString('utf8')
  return text === '' || response.status === 204 ? undefined : (JSON.parse(text) as Record<string, unknown>)[name]
}

function taskIdOf({ response }: Exchange): unknown {
  return (memberOf(response, 'taskObject') as { taskId?: unknown } | null | undefined)?.taskId
}

function isCanceled(response: Exchange['response']): boolean {
  return memberOf(response, 'canceled') === true
}
