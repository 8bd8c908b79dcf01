import type { Cause } from '../domain/cause.ts'
import type { Annotation, GitHubApi, Job } from '../github/api.ts'
import type { WorkflowRun } from '../github/workflow-run.ts'
import type { JobEvidence, MessageParts } from './error-message.ts'
import { fetchUntilComplete, type Query, type QueryTime } from './github-retry.ts'
import type { LogExcerpt } from './log-excerpt.ts'
import type { MatchedJobs } from './needed-jobs.ts'

/** What is to be explained. */
export interface EvidenceRequest {
  readonly cause: Cause
  readonly run: WorkflowRun
  /** This job's id in the REST API, if the runner knows it. */
  readonly checkRunId: number | undefined
  /** Whether a stack trace is needed, which takes downloads. */
  readonly wantsTrace: boolean
}

/** What was fetched about needed jobs so far. */
export interface NeededJobFacts {
  readonly jobs: MatchedJobs
  /** Errors of jobs. */
  readonly annotations: Map<Job, readonly Annotation[]>
  /** Of the first job that explains the failure. */
  log: LogExcerpt | undefined
}

/** What was fetched so far. It is filled while calls are under way, so that the deadline leaves what there is. */
export interface Facts {
  ownJob: Job | undefined
  neededJobs: NeededJobFacts | undefined
  readonly problems: string[]
}

/** How facts are fetched. */
export interface Fetching {
  readonly api: GitHubApi
  readonly request: EvidenceRequest
  readonly time: QueryTime
  readonly facts: Facts
}

/** What the facts say about the failure. */
export type Explanation = Omit<MessageParts, 'run'> & { readonly trace: string | undefined }

/** A job about which GitHub's API gave nothing. */
export function unknownJob(name: string | undefined, outcome: string): JobEvidence {
  return { name, outcome, steps: [], excerpt: undefined, link: undefined }
}

/** Fetches, with retries. Keeps the reason when the response is not the last one that there might have been. */
export function fetchFact<T>({ facts, time }: Fetching, query: Query<T>): Promise<T> {
  return fetchUntilComplete(query, time, (problem) => facts.problems.push(problem))
}
