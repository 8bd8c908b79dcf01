import { expect } from '@jest/globals'
import { type Reporting, type ReportingOptions, report } from './reporting.ts'

/** What stands where a text is cut. */
export const MARK = /\n?\[\.\.\. ?([\d,]+) characters[^\]]*\]\n?/

/** Reports FAILED with these inputs, and expects that it arrives at the first try. */
export async function failed(inputs: Record<string, string>, options: ReportingOptions = {}): Promise<Reporting> {
  const reporting = await report({ status: 'FAILED', ...inputs }, options)
  expect(reporting.step.errors).toEqual([])
  expect(reporting.bodies).toHaveLength(1)
  expect(reporting.step.exitCode).toBe(0)
  expect(reporting.step.outputs['reported']).toBe('true')
  return reporting
}

/** A text as it arrived; empty where there is none. */
export function sent(reporting: Reporting, field: string): string {
  return String(reporting.bodies[0]?.[field] ?? '')
}
