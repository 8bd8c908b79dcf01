// The whole root action: any inputs and any responses of every service.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { callStep } from '../support/called-step.ts'
import { INPUT_TOKEN, longVariable, SECRETS, setTaskStatusInputs, variable } from './any-inputs.ts'
import { awsResponse, githubResponses, githubResponseTo, oidcResponse, stsResponse } from './any-response.ts'
import { credentialSource, environmentOf, GOOD_RESPONSES, inputsOf, secretsHad } from './credential-source.ts'
import { expectCleanEnd, expectTrueReport } from './expectations.ts'
import { HostileServer, success } from './hostile-server.ts'
import { PROPERTY_LIMIT_MS, runs } from './runs.ts'

let server: HostileServer
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.stop())

const isFalse = (text: string | undefined): boolean => text?.toLowerCase() === 'false'
const isTrue = (text: string | undefined): boolean => text?.toLowerCase() === 'true'

const files = fc.record({ 'trace.log': longVariable })

test(
  'any inputs, any responses: one clean end, and correct outputs about the report',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        setTaskStatusInputs,
        fc.array(awsResponse('SetTaskStatus'), { maxLength: 5 }),
        credentialSource,
        fc.record({ oidc: fc.array(oidcResponse, { maxLength: 2 }), sts: fc.array(stsResponse, { maxLength: 2 }) }),
        githubResponses,
        files,
        async (inputs, aws, source, role, github, workspace) => {
          server.exchanges.length = 0
          server.reply = (call, path, before) => {
            if (call === 'github') return githubResponseTo(github, path, before)
            const script = call === 'oidc' ? role.oidc : call === 'sts' ? role.sts : aws
            return script[before] ?? GOOD_RESPONSES[call] ?? success()
          }
          const run = await callStep({
            inputs: { ...inputs, ...inputsOf(source) },
            env: { ...SECRETS, ...environmentOf(source, server.url) },
            files: workspace,
          })
          const secrets = secretsHad(source, server.exchanges)
          expectCleanEnd('.', run, secrets)
          expectTrueReport(run, server.of('SetTaskStatus'), {
            secrets,
            taskId: (inputs['task-id'] ?? '').trim(),
            failOnError: !isFalse(inputs['fail-on-error']?.trim()),
            dryRun: isTrue(inputs['dry-run']?.trim()) && run.exitCode === 0,
          })
        },
      ),
      { numRuns: runs(300) },
    )
  },
  PROPERTY_LIMIT_MS,
)

test(
  'any responses of GitHub: the status arrives at once, with an error id and a message',
  async () => {
    const outcome = fc.constantFrom('failure', 'cancelled')
    const needs = fc
      .dictionary(fc.constantFrom('build', 'test', 'load', '__proto__'), fc.record({ result: outcome }), { minKeys: 1 })
      .map((jobs) => JSON.stringify(jobs))
    const inputs = fc.record(
      {
        'job-status': outcome,
        needs,
        status: fc.constantFrom('', 'failed'),
        'check-run-id': fc.constantFrom('', '17'),
        'error-message': variable,
      },
      { requiredKeys: ['job-status'] },
    )
    await fc.assert(
      fc.asyncProperty(inputs, githubResponses, async (given, github) => {
        server.exchanges.length = 0
        server.reply = (call, path, before) => (call === 'github' ? githubResponseTo(github, path, before) : success())
        const run = await callStep({
          inputs: { 'task-id': 'task', 'github-token': INPUT_TOKEN, ...given } as Record<string, string>,
          env: { ...SECRETS, ...environmentOf('environment', server.url) },
        })
        expectCleanEnd('.', run)
        const reports = server.of('SetTaskStatus')
        expect(reports).toHaveLength(1)
        expectTrueReport(run, reports, { taskId: 'task', failOnError: true, dryRun: false })
        expect(run.outputs).toMatchObject({ status: 'FAILED', reported: 'true' })
        expect(run.outputs['error-id']).toMatch(/^GitHubActions:\w+$/)
        expect(run.outputs['error-message']).not.toBe('')
        // Collecting evidence changes nothing at GitHub.
        expect(server.of('github').filter(({ method, body }) => method !== 'GET' || body !== '')).toEqual([])
      }),
      { numRuns: runs(300) },
    )
  },
  PROPERTY_LIMIT_MS,
)
