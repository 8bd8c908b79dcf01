// "npm run demo": the built action reports two tasks to a local Data Pipeline, as it would in a job that succeeded and
// in one that failed. Nothing outside of this machine is called.
import { LocalDataPipeline } from './local-aws/data-pipeline.ts'
import { runStep } from './runner/step.ts'

await using service = await LocalDataPipeline.start()
console.log(`A local AWS Data Pipeline listens on ${service.url}.`)

const load = service.addTask()
await demonstrate('a job that succeeded', load.taskId, 'success', {})

const check = service.addTask()
await demonstrate('a job that failed', check.taskId, 'failure', {
  'error-id': 'Nightly:LoadFailed',
  'error-message': 'The load of 2026-11-22 stopped: 3 of 4,000 rows have no customer.',
  'error-stack-trace': 'LoadError: no customer\n    at load (load.py:42)',
})

async function demonstrate(
  title: string,
  taskId: string,
  jobStatus: string,
  inputs: Record<string, string>,
): Promise<void> {
  console.log(`\n--- The last step of ${title}:`)
  const step = await runStep({ inputs: { 'task-id': taskId, ...inputs }, jobStatus, env: service.env() })
  console.log(step.stdout.trimEnd())
  const { state, status, errorId, errorMessage, errorStackTrace } = service.task(taskId)
  console.log('What arrived:', { state, status, errorId, errorMessage, errorStackTrace })
  if (step.exitCode !== 0 || step.outputs['reported'] !== 'true') {
    console.error(`The step ended with exit code ${step.exitCode}.\n${step.stderr}`)
    process.exitCode = 1
  }
}
