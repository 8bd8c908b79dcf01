import { withoutUser } from '../util/address.ts'

/** The workflow run of this job, from the runner's default environment variables. Parts may be missing. */
export interface WorkflowRun {
  readonly id: string | undefined
  /** owner/name */
  readonly repository: string | undefined
  readonly workflow: string | undefined
  readonly number: string | undefined
  readonly attempt: string | undefined
  /** The key of this job in the workflow. */
  readonly jobKey: string | undefined
  readonly runnerName: string | undefined
  readonly apiUrl: string
  /** The page of this attempt of the run. */
  readonly link: string | undefined
}

/** The page of a job of the run, by the id of the job in the REST API; undefined when the run is not known. */
export function jobLink({ link }: Pick<WorkflowRun, 'link'>, jobId: number): string | undefined {
  return link === undefined ? undefined : `${link.replace(/\/attempts\/[^/]*$/, '')}/job/${jobId}`
}

/** Reads the run from the environment. Links use GITHUB_SERVER_URL, for GitHub Enterprise Server. */
export function workflowRunOf(env: Readonly<Record<string, string | undefined>>): WorkflowRun {
  const value = (name: string): string | undefined => env[name]?.trim() || undefined
  const [id, repository, attempt] = [value('GITHUB_RUN_ID'), value('GITHUB_REPOSITORY'), value('GITHUB_RUN_ATTEMPT')]
  const server = withoutUser(value('GITHUB_SERVER_URL') ?? 'https://github.com').replace(/\/+$/, '')
  return {
    id,
    repository,
    workflow: value('GITHUB_WORKFLOW'),
    number: value('GITHUB_RUN_NUMBER'),
    attempt,
    jobKey: value('GITHUB_JOB'),
    runnerName: value('RUNNER_NAME'),
    apiUrl: value('GITHUB_API_URL') ?? 'https://api.github.com',
    link:
      id && repository
        ? `${server}/${repository}/actions/runs/${id}${attempt ? `/attempts/${attempt}` : ''}`
        : undefined,
  }
}
