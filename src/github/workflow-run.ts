/** The workflow run that this job belongs to, as the runner's default environment variables tell. */
export interface WorkflowRun {
  /** The page of this attempt of the run; undefined outside of GitHub Actions. */
  readonly link: string | undefined
}

/** Reads the run from the environment. GITHUB_SERVER_URL makes the links right on GitHub Enterprise Server. */
export function workflowRunOf(env: Readonly<Record<string, string | undefined>>): WorkflowRun {
  const repository = env['GITHUB_REPOSITORY']
  const runId = env['GITHUB_RUN_ID']
  if (!repository || !runId) return { link: undefined }
  const server = (env['GITHUB_SERVER_URL'] || 'https://github.com').replace(/\/+$/, '')
  const attempt = env['GITHUB_RUN_ATTEMPT']
  return { link: `${server}/${repository}/actions/runs/${runId}${attempt ? `/attempts/${attempt}` : ''}` }
}
