import { getOctokit } from '@actions/github'
import { afterEach, expect, test } from '@jest/globals'
import { LocalGitHub, type LocalGitHubOptions } from './local-github.ts'

const started: LocalGitHub[] = []

async function start(options: LocalGitHubOptions = {}) {
  const github = await LocalGitHub.start(options)
  started.push(github)
  const [owner = '', repo = ''] = github.repository.split('/')
  return { github, octokit: getOctokit(github.token, { baseUrl: github.apiUrl }), owner, repo }
}

afterEach(async () => {
  for (const github of started.splice(0)) {
    await github.stop()
    expect(github.violations).toEqual([])
  }
})

test('shows a running job with its steps', async () => {
  const { github, octokit, owner, repo } = await start({ attempt: 2 })
  const job = github.addJob({
    name: 'build (ubuntu-latest, 24)',
    runnerName: 'runner-7',
    steps: [
      { name: 'Set up job', conclusion: 'success' },
      { name: 'Run make 🚀', conclusion: 'failure' },
      { name: 'Report', status: 'in_progress' },
      { name: 'Post checkout' },
    ],
  })

  const { data } = await octokit.rest.actions.getJobForWorkflowRun({ owner, repo, job_id: job.id })

  expect(data).toMatchObject({
    id: job.id,
    run_attempt: 2,
    status: 'in_progress',
    conclusion: null,
    completed_at: null,
    runner_name: 'runner-7',
    html_url: `https://github.com/octo/pipes/actions/runs/${github.runId}/job/${job.id}`,
    check_run_url: `${github.apiUrl}/repos/octo/pipes/check-runs/${job.id}`,
  })
  expect(data.steps?.map((step) => [step.number, step.name, step.status, step.conclusion])).toEqual([
    [1, 'Set up job', 'completed', 'success'],
    [2, 'Run make 🚀', 'completed', 'failure'],
    [3, 'Report', 'in_progress', null],
    [4, 'Post checkout', 'queued', null],
  ])
  expect(github.requests).toMatchObject([{ route: 'job', nth: 1, method: 'GET', authorization: 'valid', status: 200 }])
})

test('pages through the jobs of an attempt', async () => {
  const { github, octokit, owner, repo } = await start()
  for (let n = 1; n <= 101; n++) github.addJob({ name: `test (${n})`, conclusion: 'success' })
  const request = { owner, repo, run_id: github.runId, attempt_number: 1, per_page: 100 }

  const jobs = await octokit.paginate(octokit.rest.actions.listJobsForWorkflowRunAttempt, request)

  expect(jobs.map((job) => job.name)).toEqual(github.jobs.map((job) => job.name))
  expect(github.requests.map(({ query }) => query)).toEqual([{ per_page: '100' }, { per_page: '100', page: '2' }])
  const second = await octokit.rest.actions.listJobsForWorkflowRunAttempt({ ...request, page: 2 })
  expect(second.data).toMatchObject({ total_count: 101, jobs: [{ name: 'test (101)' }] })
  expect(second.headers.link).toMatch(/^<[^>]+page=1>; rel="prev", <[^>]+page=1>; rel="first"$/)
  const first = await octokit.rest.actions.listJobsForWorkflowRunAttempt({ ...request, per_page: 1000 })
  expect(first.data.jobs).toHaveLength(100)
  const small = await octokit.rest.actions.listJobsForWorkflowRunAttempt({
    owner,
    repo,
    run_id: github.runId,
    attempt_number: 1,
  })
  expect(small.data.jobs).toHaveLength(30)
})

test('shows which attempt ran a job', async () => {
  const { github, octokit, owner, repo } = await start({ attempt: 2 })
  github.addJob({ name: 'lint', conclusion: 'success', runAttempt: 1 })
  const failed = github.addJob({ name: 'build', conclusion: 'failure', runAttempt: 1 })
  const again = github.addJob({ name: 'build', conclusion: 'success' })
  const ids = async (attempt_number: number) =>
    (
      await octokit.rest.actions.listJobsForWorkflowRunAttempt({ owner, repo, run_id: github.runId, attempt_number })
    ).data.jobs.map((job) => job.id)
  const ofRun = async (filter: 'latest' | 'all') =>
    (await octokit.rest.actions.listJobsForWorkflowRun({ owner, repo, run_id: github.runId, filter })).data.jobs

  expect(await ids(1)).toContain(failed.id)
  expect(await ids(2)).toEqual([again.id])
  await expect(ids(3)).rejects.toMatchObject({ status: 404 })
  expect((await ofRun('latest')).map((job) => [job.name, job.run_attempt])).toEqual([
    ['lint', 1],
    ['build', 2],
  ])
  expect(await ofRun('all')).toHaveLength(3)
})

test('shows a skipped and a queued job as jobs without a runner', async () => {
  const { github, octokit, owner, repo } = await start()
  github.addJob({ name: 'deploy', conclusion: 'skipped' })
  github.addJob({ name: 'notify', status: 'queued' })

  const { data } = await octokit.rest.actions.listJobsForWorkflowRun({ owner, repo, run_id: github.runId })

  expect(data.jobs.map(({ status, conclusion, runner_name }) => [status, conclusion, runner_name])).toEqual([
    ['completed', 'skipped', null],
    ['queued', null, null],
  ])
})

test('shows the annotations of a completed job only, page by page', async () => {
  const { github, octokit, owner, repo } = await start()
  const annotations = Array.from({ length: 31 }, (_, n) => ({ message: `error ${n}` }))
  const job = github.addJob({ name: 'build', annotations })
  const list = () =>
    octokit.paginate(octokit.rest.checks.listAnnotations, { owner, repo, check_run_id: job.id, per_page: 20 })

  expect(await list()).toEqual([])
  job.status = 'completed'
  job.conclusion = 'failure'
  const all = await list()
  expect(all.map(({ message }) => message)).toEqual(annotations.map(({ message }) => message))
  expect(all[0]).toMatchObject({ path: '.github', annotation_level: 'failure', title: '', start_line: 1 })
})

test('cancels a run with the permission to write only', async () => {
  const { github, octokit, owner, repo } = await start()
  const cancel = () => octokit.rest.actions.cancelWorkflowRun({ owner, repo, run_id: github.runId })

  await expect(cancel()).rejects.toMatchObject({ status: 403 })
  expect(github.cancellations).toEqual([])
  github.grant(['actions: write'])
  expect(await cancel()).toMatchObject({ status: 202, data: {} })
  // The write permission includes read.
  expect((await octokit.rest.actions.listJobsForWorkflowRun({ owner, repo, run_id: github.runId })).status).toBe(200)
  expect(github.cancellations).toHaveLength(1)
  github.injectFault('conflict', { route: 'cancel' })
  await expect(cancel()).rejects.toMatchObject({ status: 409 })
  expect(github.cancellations).toHaveLength(1)
})

test('names the missing permission', async () => {
  const { github, octokit, owner, repo } = await start({ permissions: ['actions: read'] })
  const job = github.addJob({ name: 'build', conclusion: 'failure' })

  await octokit.rest.actions.getJobForWorkflowRun({ owner, repo, job_id: job.id })
  await expect(octokit.rest.checks.listAnnotations({ owner, repo, check_run_id: job.id })).rejects.toMatchObject({
    status: 403,
    message: expect.stringContaining('Resource not accessible by integration'),
    response: { headers: { 'x-accepted-github-permissions': 'checks=read' } },
  })
  github.grant([])
  await expect(octokit.rest.actions.getJobForWorkflowRun({ owner, repo, job_id: job.id })).rejects.toMatchObject({
    status: 403,
  })
})

test.each([
  { who: 'a stranger', isPrivate: false, token: undefined, status: 401, message: 'Requires authentication' },
  { who: 'a stranger to a private repository', isPrivate: true, token: undefined, status: 404, message: 'Not Found' },
  { who: 'one with a wrong token', isPrivate: true, token: 'ghs_wrong', status: 401, message: 'Bad credentials' },
])('refuses $who', async ({ isPrivate, token, status, message }) => {
  const { github } = await start({ private: isPrivate })
  const job = github.addJob({ name: 'build' })
  const response = await fetch(`${github.apiUrl}/repos/octo/pipes/actions/jobs/${job.id}`, {
    headers: token ? { authorization: `Bearer ${token}` } : {},
  })

  expect(response.status).toBe(status)
  expect(await response.json()).toMatchObject({ message, status: String(status) })
  expect(github.requests).toMatchObject([{ authorization: token ? 'wrong' : 'none' }])
})

test('is served below the base path of GitHub Enterprise Server', async () => {
  const { github, octokit } = await start({ basePath: '/api/v3', serverUrl: 'https://ghes.example.com' })
  const job = github.addJob({ name: 'build' })

  // Owner and name are not case-sensitive.
  const { data } = await octokit.rest.actions.getJobForWorkflowRun({ owner: 'Octo', repo: 'Pipes', job_id: job.id })
  expect(data.html_url).toBe(`https://ghes.example.com/octo/pipes/actions/runs/${github.runId}/job/${job.id}`)
  expect(github.environment).toMatchObject({
    GITHUB_API_URL: github.apiUrl,
    GITHUB_SERVER_URL: 'https://ghes.example.com',
    GITHUB_REPOSITORY: 'octo/pipes',
  })
  const forgotten = await fetch(new URL(`/repos/octo/pipes/actions/jobs/${job.id}`, github.apiUrl))
  expect([forgotten.status, forgotten.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8'])
})

test.each([
  { what: 'another repository', path: '/repos/octo/other/actions/jobs/1' },
  { what: 'an unknown job', path: '/repos/octo/pipes/actions/jobs/1' },
  { what: 'another run', path: '/repos/octo/pipes/actions/runs/1/jobs' },
  { what: 'the annotations of an unknown check run', path: '/repos/octo/pipes/check-runs/1/annotations' },
  { what: 'a call that is not served', path: '/repos/octo/pipes/actions/artifacts' },
])('does not find $what', async ({ path }) => {
  const { github } = await start()
  const response = await fetch(github.apiUrl + path, { headers: { authorization: `token ${github.token}` } })

  expect(response.status).toBe(404)
  expect(await response.json()).toMatchObject({ message: 'Not Found' })
})

test('lets the state change at the n-th request', async () => {
  const { github, octokit, owner, repo } = await start()
  const job = github.addJob({ name: 'build', steps: [{ name: 'Run make', status: 'in_progress' }] })
  const [step] = job.steps
  const stop = github.onRequest(({ route, nth }) => {
    if (step && route === 'job' && nth === 3) Object.assign(step, { status: 'completed', conclusion: 'failure' })
  })
  const look = async () =>
    (await octokit.rest.actions.getJobForWorkflowRun({ owner, repo, job_id: job.id })).data.steps?.[0]?.conclusion

  expect([await look(), await look(), await look()]).toEqual([null, null, 'failure'])
  stop()
})

test('refuses to send what GitHub would not', async () => {
  const { github, octokit, owner, repo } = await start()
  const job = github.addJob({ name: 'build' })
  job.status = 'done' as never

  await expect(octokit.rest.actions.getJobForWorkflowRun({ owner, repo, job_id: job.id })).rejects.toMatchObject({
    status: 500,
    message: expect.stringContaining('/status must be equal to one of the allowed values'),
  })
  expect(github.violations.splice(0)).toEqual([
    expect.stringMatching(/^actions\/get-job-for-workflow-run 200: \/status must be/),
  ])
})

test('stops while requests hang', async () => {
  const { github } = await start()
  github.injectFault('hang')
  const hanging = fetch(github.apiUrl).catch((error: Error) => error.message)
  await new Promise<void>((resolve) => {
    github.onRequest(() => resolve())
  })
  await github.stop()

  expect(await hanging).toBe('fetch failed')
})

test('is disposed of by `await using`', async () => {
  let url: string
  {
    await using github = await LocalGitHub.start()
    url = github.apiUrl
    expect((await fetch(url)).status).toBe(401)
  }
  await expect(fetch(url)).rejects.toThrow('fetch failed')
})
