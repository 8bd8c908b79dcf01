import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import type { Operation } from '../fakes/aws/operations.ts'
import type { WorkflowRun } from '../support/act.ts'

type Body = Readonly<Record<string, unknown>>

/** Every request that the service received, in order: operation, status of the response, body. */
export function received(service: LocalDataPipeline): [Operation | undefined, number | undefined, Body][] {
  return service.requests.map(({ operation, response, body }) => [operation, response?.status, body])
}

/** The operations for a task, in order. Consecutive equal ones, such as heartbeats, count once. */
export function phasesOf(service: LocalDataPipeline, taskId: string): (Operation | undefined)[] {
  return operationsOn(service, taskId).filter((operation, index, all) => operation !== all[index - 1])
}

/** The operations for a task, in order. */
export function operationsOn(service: LocalDataPipeline, taskId: string): (Operation | undefined)[] {
  return service.requests.filter(({ body }) => body['taskId'] === taskId).map(({ operation }) => operation)
}

/** The bodies of all SetTaskStatus requests, in order. */
export function reports(service: LocalDataPipeline): Body[] {
  return service.requestsFor('SetTaskStatus').map(({ body }) => body)
}

/** The outputs of the action that the last step of a workflow prints; undefined when it does not. */
export function outputsIn({ output }: WorkflowRun): Record<string, string> | undefined {
  const text = /^outputs (\{[\s\S]*?^\})/m.exec(output)?.[1]
  return text === undefined ? undefined : (JSON.parse(text) as Record<string, string>)
}

/** A command for a step that runs until this number of ReportTaskProgress have arrived. */
export function workUntil(service: LocalDataPipeline, count: number): Disposable & { readonly command: string } {
  const folder = mkdtempSync(join(tmpdir(), 'work-'))
  const done = join(folder, 'done')
  // If they never arrive, runWorkflow reports a run that does not end.
  service.received('ReportTaskProgress', count, 120_000).then(
    () => writeFileSync(done, ''),
    () => undefined,
  )
  return {
    command: `until [ -e ${done} ]; do sleep 0.2; done`,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** For `onStart`: sends act a signal when a step has written this line. SIGINT cancels the run. */
export function cancelWhen(line: string, signal: NodeJS.Signals = 'SIGINT'): (act: ChildProcess) => void {
  return (act) => {
    let text = ''
    act.stdout?.on('data', (more) => {
      const isWritten = text.includes(`"msg":"${line}\\n"`)
      text += more
      if (!isWritten && text.includes(`"msg":"${line}\\n"`)) act.kill(signal)
    })
  }
}
