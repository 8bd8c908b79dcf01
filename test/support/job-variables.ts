import { join } from 'node:path'
import type { Contexts } from './action-file.ts'

/** The folders of a step, and the files of its commands. */
export interface StepPlaces {
  readonly home: string
  readonly workspace: string
  readonly temp: string
  readonly files: { readonly output: string; readonly state: string; readonly summary: string }
}

/** The variables of a step of the run that tests belong to, and no credentials: no profile, no metadata service. */
export function jobVariables({ home, workspace, temp, files }: StepPlaces): Record<string, string> {
  return {
    HOME: home,
    AWS_CONFIG_FILE: join(home, 'no-aws-config'),
    AWS_SHARED_CREDENTIALS_FILE: join(home, 'no-aws-credentials'),
    AWS_EC2_METADATA_DISABLED: 'true',
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_JOB: 'work',
    GITHUB_OUTPUT: files.output,
    GITHUB_REPOSITORY: 'octo-org/pipes',
    GITHUB_RUN_ATTEMPT: '2',
    GITHUB_RUN_ID: '4711',
    GITHUB_RUN_NUMBER: '17',
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_STATE: files.state,
    GITHUB_STEP_SUMMARY: files.summary,
    GITHUB_WORKFLOW: 'Nightly',
    GITHUB_WORKSPACE: workspace,
    RUNNER_NAME: 'runner-1',
    RUNNER_OS: 'Linux',
    RUNNER_TEMP: temp,
  }
}

/** The contexts for input defaults, with those of the test. */
export function jobContexts(more: Contexts = {}): Contexts {
  return { job: { status: 'success' }, github: {}, strategy: { 'job-total': 1 }, ...more }
}
