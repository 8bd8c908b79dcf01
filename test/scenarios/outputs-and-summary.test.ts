import { tmpdir } from 'node:os'
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { taskNotFound } from '../fakes/aws/faults.ts'
import { RUN_LINK } from '../support/step.ts'
import { localEvidence, NO_TOKEN_NOTICE, report, reportTo } from './reporting.ts'

/** The cells of the table, as a browser shows their text. */
function cellsOf(html: string): Record<string, string> {
  const rows = [...html.matchAll(/<tr><th[^>]*>(.*?)<\/th><td>(.*?)<\/td><\/tr>/g)]
  return Object.fromEntries(rows.map(([, name = '', value = '']) => [textOf(name), textOf(value)]))
}

const ENTITIES: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&amp;': '&' }

function textOf(html: string): string {
  return html
    .replaceAll(/<br ?\/?>/g, '\n')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&(?:#(\d+)|lt|gt|quot|amp);/g, (entity: string, code?: string) =>
      code ? String.fromCodePoint(Number(code)) : (ENTITIES[entity] ?? entity),
    )
}

describe('the summary', () => {
  test.concurrent('has the task, the status, the error and the run', async () => {
    const { step, taskId } = await report({
      status: 'FALSE',
      'error-id': 'NoData',
      'error-message': 'the table is empty',
    })
    const cells = Object.values(cellsOf(step.summary))
    expect(cells.join('\n')).toContain(taskId.slice(0, 12))
    expect(step.summary).not.toContain(taskId)
    expect(cells).toContain('FALSE')
    expect(cells).toContain('NoData')
    expect(cells).toContain('the table is empty')
    expect(step.summary).toContain(`<a href="${RUN_LINK}">`)
  })

  test.concurrent.each([
    ['markup', '<script>alert(1)</script><img src=x onerror=alert(1)>'],
    ['the end of the cell', '</td></tr></table><h1>free</h1>'],
    ['Markdown', '**bold** _it_ [link](https://evil.example) ![image](https://evil.example/x.png) # head'],
    ['pipes', 'a | b | c'],
    ['code', '`code` ```block``` ~~~'],
    ['entities', '&lt;b&gt; &amp; &#60;'],
    ['quotes', `"double" 'single'`],
    ['mentions and issues', '@octocat #1 octo-org/pipes#2 GH-3'],
    ['a comment', '<!-- hidden --> <![CDATA[x]]>'],
    ['HTML that Markdown ends at an empty line', 'a'],
  ])('shows %s as text', async (_name, text) => {
    const { step } = await report({ status: 'FAILED', 'error-id': text, 'error-message': text })
    expect(Object.values(cellsOf(step.summary)).filter((cell) => cell === text)).toHaveLength(2)
    const tags = new Set([...step.summary.matchAll(/<\/?([^\s>]*)/g)].map(([, name]) => name))
    for (const tag of tags)
      expect(['h2', 'h3', 'h4', 'table', 'tr', 'th', 'td', 'a', 'code', 'br', 'pre']).toContain(tag)
  })

  // An empty line ends an HTML block, and what follows would be Markdown.
  test.concurrent.each([
    ['empty lines', 'a\n\n# head\n\n    code'],
    ['lines of white space', 'a\n \t \n<h1>head</h1>'],
    ['CR alone', 'a\r\r# head'],
    ['CR LF', 'a\r\n\r\n# head'],
    ['many of them at the end', `a${'\n'.repeat(50)}`],
  ])('has no empty line within the table for %s', async (_name, text) => {
    const { step } = await report({ status: 'FAILED', 'error-message': text })
    const table = step.summary.slice(step.summary.indexOf('<table'), step.summary.indexOf('</table>')).trimEnd()
    expect(table.split(/\r\n|\r|\n/).filter((line) => line.trim() === '')).toEqual([])
    expect(table).not.toMatch(/^# head/m)
    expect(table).not.toContain('<h1>')
  })

  test.concurrent('stays short for long texts', async () => {
    const { step } = await report({
      status: 'FAILED',
      'task-id': 'x'.repeat(2048),
      'error-id': 'i'.repeat(1024),
      'error-message': '<&>'.repeat(3_000),
    })
    expect(step.summary.length).toBeLessThan(20_000)
  })

  test.concurrent('is added to what earlier steps wrote of this job', async () => {
    const { step } = await report({ status: 'FAILED' })
    expect(step.summary.endsWith('\n')).toBe(true)
  })

  test.concurrent.each(['false', 'False'])('is not written with summary %s', async (summary) => {
    const { step } = await report({ summary })
    expect(step.summary).toBe('')
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('tells that the report could not be made', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(taskNotFound())
    const { step } = await reportTo(service, { status: 'FAILED' })
    expect(Object.values(cellsOf(step.summary))).toContain('FAILED')
    expect(Object.values(cellsOf(step.summary))).toContain('no')
  })

  test.concurrent('links to GitHub Enterprise Server where the run is there', async () => {
    const { step } = await report({}, { env: { GITHUB_SERVER_URL: 'https://ghe.example.com/' } })
    expect(step.summary).toContain('https://ghe.example.com/octo-org/pipes/actions/runs/4711/attempts/2')
  })

  test.concurrent('has no link outside of a run', async () => {
    const { step } = await report({}, { env: { GITHUB_RUN_ID: undefined } })
    expect(step.summary).not.toContain('<a')
    expect(step.exitCode).toBe(0)
  })
})

describe("the runner's files", () => {
  test.concurrent.each([
    ['GITHUB_STEP_SUMMARY is not set', { GITHUB_STEP_SUMMARY: undefined }, 0],
    ['GITHUB_STEP_SUMMARY is empty', { GITHUB_STEP_SUMMARY: '' }, 0],
    ['the summary file is not there', { GITHUB_STEP_SUMMARY: '/no/such/file' }, 1],
    ['the summary is a directory', { GITHUB_STEP_SUMMARY: tmpdir() }, 1],
    ['the output file is not there', { GITHUB_OUTPUT: '/no/such/file' }, 1],
    ['the output is a directory', { GITHUB_OUTPUT: tmpdir() }, 1],
    ['neither is there', { GITHUB_OUTPUT: '/no/such/file', GITHUB_STEP_SUMMARY: '/no/such/file' }, 2],
  ])('%s: the report is made, and the step is green', async (_name, env, warnings) => {
    const { step, bodies } = await report({ status: 'FAILED', 'error-id': 'E' }, { env })
    expect(bodies).toHaveLength(1)
    expect(step.errors).toEqual([])
    expect(step.warnings).toHaveLength(warnings)
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('and a report that fails is told all the same', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(taskNotFound())
    const { step } = await reportTo(
      service,
      {},
      { env: { GITHUB_OUTPUT: '/no/such', GITHUB_STEP_SUMMARY: '/no/such' } },
    )
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('TaskNotFoundException')
    expect(step.exitCode).toBe(1)
  })
})

describe('outputs', () => {
  test.concurrent('on success', async () => {
    const { step } = await report({ status: 'FAILED', 'error-id': 'E', 'error-message': 'M\nN' })
    expect(step.outputs).toEqual({
      status: 'FAILED',
      'error-id': 'E',
      'error-message': 'M\nN',
      reported: 'true',
      'request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
  })

  test.concurrent('on failure: what would have been reported', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(taskNotFound())
    const { step } = await reportTo(service, { status: 'FAILED', 'error-id': 'E', 'error-message': 'M' })
    expect(step.outputs).toEqual({
      status: 'FAILED',
      'error-id': 'E',
      'error-message': 'M',
      reported: 'false',
      'request-id': expect.any(String),
    })
  })

  test.concurrent('success is one line in the log', async () => {
    const { step } = await report({ status: 'FAILED', 'error-id': 'E', 'error-message': 'M' })
    expect(step.stdout.trim().split('\n')).toEqual([expect.stringMatching(/^Reported FAILED for task /)])
    expect(step.stderr).toBe('')
  })

  test.concurrent('of evidence are what was sent, and that it could be more is one notice before the line', async () => {
    const { step } = await report({}, { jobStatus: 'failure' })
    const { errorId, errorMessage } = localEvidence('failure')
    expect(step.outputs).toMatchObject({ status: 'FAILED', 'error-id': errorId, 'error-message': errorMessage })
    expect(step.commands).toEqual([{ name: 'notice', properties: {}, message: NO_TOKEN_NOTICE }])
    expect(step.stdout.trim().split('\n')).toEqual([
      `::notice::${NO_TOKEN_NOTICE}`,
      expect.stringMatching(/^Reported FAILED for task /),
    ])
    expect(Object.values(cellsOf(step.summary))).toContain(errorId)
    expect(Object.values(cellsOf(step.summary))).toContain(errorMessage)
  })
})

describe('weird but legal surroundings', () => {
  test.concurrent.each([
    ['no HOME', { HOME: undefined }],
    ['no GITHUB_WORKSPACE', { GITHUB_WORKSPACE: undefined }],
    ['a GITHUB_WORKSPACE that is not there', { GITHUB_WORKSPACE: '/no/such/place' }],
    [
      'nothing of GitHub',
      Object.fromEntries(
        ['ACTIONS', 'JOB', 'REPOSITORY', 'RUN_ID', 'RUN_ATTEMPT', 'SERVER_URL', 'WORKFLOW', 'STATE'].map((name) => [
          `GITHUB_${name}`,
          undefined,
        ]),
      ),
    ],
    ['no RUNNER_TEMP', { RUNNER_TEMP: undefined }],
    ['a debugging runner', { RUNNER_DEBUG: '1' }],
    ['NODE_OPTIONS of the job', { NODE_OPTIONS: '--max-old-space-size=256 --enable-source-maps' }],
    ['NODE_ENV', { NODE_ENV: 'test' }],
    ['retry settings of AWS', { AWS_MAX_ATTEMPTS: '1', AWS_RETRY_MODE: 'adaptive' }],
    ['an invalid retry mode', { AWS_RETRY_MODE: 'never', AWS_MAX_ATTEMPTS: 'many' }],
    [
      'settings of AWS',
      { AWS_DEFAULTS_MODE: 'auto', AWS_SDK_LOAD_CONFIG: '1', AWS_NODEJS_CONNECTION_REUSE_ENABLED: '1' },
    ],
    [
      'strange settings of AWS',
      { AWS_EXECUTION_ENV: 'x y', AWS_SDK_UA_APP_ID: 'größer 漢', AWS_STS_REGIONAL_ENDPOINTS: 'legacy' },
    ],
    ['a config file that is a directory', { AWS_CONFIG_FILE: tmpdir(), AWS_SHARED_CREDENTIALS_FILE: tmpdir() }],
    ['an odd locale and time zone', { LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8', TZ: 'Pacific/Chatham' }],
    // Windows takes no more than 32,767.
    ['a huge variable', { SOME_TEXT: 'x'.repeat(process.platform === 'win32' ? 32_000 : 100_000) }],
    ['no PATH', { PATH: undefined }],
    ['colours', { FORCE_COLOR: '1', NO_COLOR: undefined }],
    ['NODE_TLS_REJECT_UNAUTHORIZED empty', { NODE_TLS_REJECT_UNAUTHORIZED: '' }],
  ] as ReadonlyArray<readonly [string, Record<string, string | undefined>]>)('%s', async (_name, env) => {
    const { step, bodies } = await report({ status: 'FAILED', 'error-id': 'E' }, { env })
    expect(step.errors).toEqual([])
    expect(bodies).toMatchObject([{ taskStatus: 'FAILED', errorId: 'E' }])
    expect(step.exitCode).toBe(0)
    expect(step.outputs['reported']).toBe('true')
  })

  test.concurrent('every optional input is the empty string', async () => {
    const names = [
      'status',
      'needs',
      'allowed-skips',
      'allowed-failures',
      'precondition',
      'error-id',
      'error-message',
      'error-stack-trace',
      'error-stack-trace-file',
      'aws-region',
      'role-to-assume',
      'role-session-name',
      'audience',
      'timeout-seconds',
      'fail-on-error',
      'dry-run',
      'summary',
      'github-token',
      'check-run-id',
    ]
    const { step, bodies, taskId } = await report(Object.fromEntries(names.map((name) => [name, ''])), {
      jobStatus: 'failure',
    })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('failure') }])
    expect(step.commands).toEqual([{ name: 'notice', properties: {}, message: NO_TOKEN_NOTICE }])
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('no optional input is there at all', async () => {
    const names = [
      'STATUS',
      'NEEDS',
      'ALLOWED-SKIPS',
      'ALLOWED-FAILURES',
      'PRECONDITION',
      'ERROR-ID',
      'ERROR-MESSAGE',
      'ERROR-STACK-TRACE',
      'ERROR-STACK-TRACE-FILE',
      'AWS-REGION',
      'ROLE-TO-ASSUME',
      'ROLE-SESSION-NAME',
      'AUDIENCE',
      'TIMEOUT-SECONDS',
      'FAIL-ON-ERROR',
      'DRY-RUN',
      'SUMMARY',
      'GITHUB-TOKEN',
      'CHECK-RUN-ID',
    ]
    const { bodies, step } = await report(
      {},
      { env: Object.fromEntries(names.map((name) => [`INPUT_${name}`, undefined])) },
    )
    expect(bodies).toMatchObject([{ taskStatus: 'FINISHED' }])
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('nobody reads the output of the step', async () => {
    const { bodies } = await report({ status: 'FAILED', 'error-id': '\u001b[0mE' }, { stdout: 'closed' })
    expect(bodies).toMatchObject([{ taskStatus: 'FAILED', errorId: 'E' }])
  })
})
