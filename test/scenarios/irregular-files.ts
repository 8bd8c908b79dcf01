import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import { type ReportingOptions, report } from './reporting.ts'

/** Makes a named pipe. */
export function pipeIn(folder: string, name = 'pipe'): string {
  const pipe = join(folder, name)
  execFileSync('mkfifo', [pipe])
  return pipe
}

/** Reports with a stack trace file that is not a regular one: there is one warning. */
export async function expectNoTrace(path: string, options: ReportingOptions = {}): Promise<void> {
  const { step, bodies } = await report({ status: 'FAILED', 'error-stack-trace-file': path }, options)
  expect(step).toMatchObject({ exitCode: 0, errors: [], stderr: '' })
  expect(step.warnings).toEqual([
    `error-stack-trace-file: ${JSON.stringify(path)} can't be read: it is not a regular file. The report has no stack trace.`,
  ])
  expect(bodies).toMatchObject([{ taskStatus: 'FAILED' }])
  expect(bodies[0]).not.toHaveProperty('errorStackTrace')
}
