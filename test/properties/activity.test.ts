// The whole action activity, in both of its stages, without its heartbeat process: any inputs and any responses.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { callStep } from '../support/called-step.ts'
import { activityInputs, longVariable, SECRETS } from './any-inputs.ts'
import { awsResponse, githubResponses, githubResponseTo } from './any-response.ts'
import { credentialSource, environmentOf, GOOD_RESPONSES, inputsOf, secretsHad } from './credential-source.ts'
import { expectCleanEnd, expectNoSecret, expectTrueReport } from './expectations.ts'
import { type Exchange, HostileServer, saysError, saysSuccess, success } from './hostile-server.ts'
import { PROPERTY_LIMIT_MS, runs } from './runs.ts'

let server: HostileServer
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.stop())

const responses = fc.record({
  ReportTaskProgress: fc.array(awsResponse('ReportTaskProgress'), { maxLength: 3 }),
  SetTaskStatus: fc.array(awsResponse('SetTaskStatus'), { maxLength: 3 }),
})

const isFalse = (text: string | undefined): boolean => text?.trim().toLowerCase() === 'false'

test(
  'any inputs, any responses: two clean ends, and a report of the job where there is a task',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        activityInputs,
        responses,
        githubResponses,
        fc.record({ 'trace.log': longVariable }),
        credentialSource,
        async (given, scripts, github, files, source) => {
          const inputs = { ...given, ...inputsOf(source) }
          server.exchanges.length = 0
          server.reply = (call, path, before) =>
            call === 'github'
              ? githubResponseTo(github, path, before)
              : (scripts[call as keyof typeof scripts]?.[before] ?? GOOD_RESPONSES[call] ?? success())
          const env = { ...SECRETS, ...environmentOf(source, server.url) }
          const main = await callStep({
            action: 'activity',
            inputs,
            env,
            files,
          })
          const secrets = secretsHad(source, server.exchanges)
          expectCleanEnd('activity', main, secrets)
          expect(server.of('SetTaskStatus')).toEqual([])
          for (const { call, body } of server.exchanges) if (call !== 'sts') expectNoSecret(body, secrets)
          const beats = server.of('ReportTaskProgress')
          const dryRun = /^true$/i.test(inputs['dry-run']?.trim() ?? '')
          const failOnError = !isFalse(inputs['fail-on-error'])
          const isHeld = beats.some(({ response }) => saysSuccess(response))
          const isCanceled = beats.some(({ response }) => saysSuccess(response) && saysCanceled(response))
          if (isCanceled) expect(main).toMatchObject({ exitCode: 1, outputs: { canceled: 'true' } })
          else if (main.exitCode === 0) {
            expect(isHeld || dryRun || (!failOnError && main.warnings.length > 0)).toBe(true)
            expect(main.outputs['canceled']).toBe('false')
          } else expect(isHeld).toBe(false)

          const before = server.exchanges.length
          const state = Object.entries(main.state).map(([name, value]) => [`STATE_${name}`, value])
          const post = await callStep({
            action: 'activity',
            stage: 'post',
            inputs,
            env: { ...env, ...Object.fromEntries(state) },
            files,
          })
          const secretsOfPost = secretsHad(source, server.exchanges.slice(before))
          expectCleanEnd('activity', post, secretsOfPost)
          const reports = server.of('SetTaskStatus')
          const saved = JSON.parse(main.state['activity'] ?? '') as { outcome: string; reason?: string }
          const whyLost = saved.outcome === 'invalid-inputs' ? saved.outcome : saved.reason
          if (whyLost !== undefined || isFalse(inputs['report'])) {
            // Nothing to report; the log has the reason.
            expect([post.exitCode, reports.length]).toEqual([0, 0])
            expect(post.stdout).toMatch(/Nothing can be reported|Nothing is reported/)
            if (whyLost === 'canceled') expect(isCanceled).toBe(true)
            const last = beats.at(-1)?.response
            if (whyLost === 'gone') expect(last && saysError(last, /NotFound|PipelineDeleted/)).toBe(true)
            return
          }
          expect(isCanceled).toBe(false)
          expectTrueReport(post, reports, {
            taskId: (inputs['task-id'] ?? '').trim(),
            secrets: secretsOfPost,
            failOnError,
            dryRun: dryRun && post.exitCode === 0,
          })
        },
      ),
      { numRuns: runs(200) },
    )
  },
  PROPERTY_LIMIT_MS,
)

function saysCanceled({ status, body }: Exchange['response']): boolean {
  const text = Buffer.from(body).toString('utf8')
  return status !== 204 && text !== '' && (JSON.parse(text) as { canceled?: unknown }).canceled === true
}
