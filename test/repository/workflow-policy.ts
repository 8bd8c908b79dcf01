import { parse } from 'yaml'
import type { WorkflowText } from './workflow-check.ts'

interface Workflow {
  readonly jobs: Readonly<Record<string, { readonly 'timeout-minutes'?: number }>>
}

/** Violations of this repository's rules for workflows that zizmor does not check (scripts/check-workflows.ts). */
export function policyBreaches({ file, text }: WorkflowText): string[] {
  const { jobs } = parse(text) as Workflow
  return [
    ...Object.entries(jobs)
      .filter(([, job]) => !job['timeout-minutes'])
      .map(([name]) => `${file}: the job ${name} has no timeout-minutes`),
    ...text.split('\n').flatMap((line, index) => {
      if (!/@[0-9a-f]{40}\b/.test(line) || / # v\d+\.\d+\.\d+$/.test(line)) return []
      return [`${file}:${index + 1}: a pinned action without its version, like "# v1.2.3"`]
    }),
  ]
}

/** Every action of others in these workflows, with the commits and versions that it is pinned to: one for each action. */
export function pins(workflows: readonly WorkflowText[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const [, action = '', pin = ''] of workflows.flatMap(({ text }) => [
    ...text.matchAll(/uses: ([\w.-]+\/[\w.-]+)[\w./-]*@(.*)$/gm),
  ])) {
    found.set(action, (found.get(action) ?? new Set()).add(pin))
  }
  return found
}
