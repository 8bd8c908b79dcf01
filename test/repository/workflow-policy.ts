import { parse } from 'yaml'
import type { WorkflowText } from './workflow-check.ts'

interface Job {
  readonly 'timeout-minutes'?: number
  readonly steps?: readonly { readonly uses?: string; readonly with?: Readonly<Record<string, unknown>> }[]
}

interface Workflow {
  readonly permissions?: unknown
  readonly concurrency?: unknown
  readonly jobs: Readonly<Record<string, Job>>
}

/** Violations of this repository's own rules for workflows, which no tool checks. */
export function policyBreaches({ file, text }: WorkflowText): string[] {
  const workflow = parse(text) as Workflow
  const steps = Object.values(workflow.jobs).flatMap((job) => job.steps ?? [])
  return [
    ...(JSON.stringify(workflow.permissions) === '{"contents":"read"}'
      ? []
      : [`${file}: the permissions at the top must be "contents: read"; a job that needs more declares that itself`]),
    ...(workflow.concurrency ? [] : [`${file}: concurrency is missing`]),
    ...Object.entries(workflow.jobs)
      .filter(([, job]) => !job['timeout-minutes'])
      .map(([name]) => `${file}: the job ${name} has no timeout-minutes`),
    ...steps
      .filter(
        ({ uses, with: inputs }) => /^actions\/checkout@/.test(uses ?? '') && inputs?.['persist-credentials'] !== false,
      )
      .map(() => `${file}: a checkout without "persist-credentials: false" leaves the token on the disk`),
    ...text.split('\n').flatMap((line, index) => {
      const uses = /^\s*(?:- )?["']?uses["']?: *["']?([^\s"']+)/.exec(line)?.[1]
      if (!uses || uses.startsWith('./') || /@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line)) return []
      return [`${file}:${index + 1}: ${uses} must be pinned to 40 hex digits, with its version as a comment`]
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
