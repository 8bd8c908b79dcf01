import { tmpdir } from 'node:os'
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { taskNotFound } from '../fakes/aws/faults.ts'
import { readActionFile } from '../support/action-file.ts'
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
  test('has the task, the status, the error and the run', async () => {
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

  test('shows markup as text', async () => {
    const text = [
      '</td></tr></table><h1>free</h1><script>alert(1)</script><img src=x onerror=alert(1)>',
      '**bold** _it_ [link](https://evil.example) ![image](https://evil.example/x.png) # head',
      `a | b \`code\` \`\`\`block\`\`\` ~~~ &lt;b&gt; &amp; &#60; "double" 'single'`,
      '@octocat #1 octo-org/pipes#2 GH-3 <!-- hidden --> <![CDATA[x]]>',
    ].join(' ')
    const { step } = await report({ status: 'FAILED', 'error-id': text, 'error-message': text })
    expect(Object.values(cellsOf(step.summary)).filter((cell) => cell === text)).toHaveLength(2)
    const tags = new Set([...step.summary.matchAll(/<\/?([^\s>]*)/g)].map(([, name]) => name))
    for (const tag of tags)
      expect(['h2', 'h3', 'h4', 'table', 'tr', 'th', 'td', 'a', 'code', 'br', 'pre']).toContain(tag)
  })

  // An empty line ends an HTML block, and what follows would be Markdown.
  test('has no empty line within the table', async () => {
    const text = `a\n\n# head\n \t \n<h1>head</h1>\r\r# head\r\n\r\n# head${'\n'.repeat(50)}`
    const { step } = await report({ status: 'FAILED', 'error-message': text })
    const table = step.summary.slice(step.summary.indexOf('<table'), step.summary.indexOf('</table>')).trimEnd()
    expect(table.split(/\r\n|\r|\n/).filter((line) => line.trim() === '')).toEqual([])
    expect(table).not.toMatch(/^# head/m)
    expect(table).not.toContain('<h1>')
  })

  test('stays short for long texts', async () => {
    const { step } = await report({
      status: 'FAILED',
      'task-id': 'x'.repeat(2048),
      'error-id': 'i'.repeat(1024),
      'error-message': '<&>'.repeat(3_000),
    })
    expect(step.summary.length).toBeLessThan(20_000)
  })

  test('is not written with summary false', async () => {
    const { step } = await report({ summary: 'false' })
    expect(step.summary).toBe('')
    expect(step.exitCode).toBe(0)
  })

  test('links to GitHub Enterprise Server where the run is there', async () => {
    const { step } = await report({}, { env: { GITHUB_SERVER_URL: 'https://ghe.example.com/' } })
    expect(step.summary).toContain('https://ghe.example.com/octo-org/pipes/actions/runs/4711/attempts/2')
  })

  test('has no link outside of a run', async () => {
    const { step } = await report({}, { env: { GITHUB_RUN_ID: undefined } })
    expect(step.summary).not.toContain('<a')
    expect(step.exitCode).toBe(0)
  })
})

describe("the runner's files", () => {
  // Steps that are called all write the same summary.
  test.concurrent.each([
    ['no summary', { GITHUB_STEP_SUMMARY: '' }, 0],
    ['neither is there', { GITHUB_OUTPUT: '/no/such/file', GITHUB_STEP_SUMMARY: '/no/such/file' }, 2],
    ['both are directories', { GITHUB_OUTPUT: tmpdir(), GITHUB_STEP_SUMMARY: tmpdir() }, 2],
  ])('%s: the report is made, and the step is green', async (_name, env, warnings) => {
    const { step, bodies } = await report({ status: 'FAILED', 'error-id': 'E' }, { as: 'process', env })
    expect(bodies).toHaveLength(1)
    expect(step.errors).toEqual([])
    expect(step.warnings).toHaveLength(warnings)
    expect(step.exitCode).toBe(0)
  })

  test('and a report that fails is told all the same', async () => {
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
  test('on success', async () => {
    const { step } = await report({ status: 'FAILED', 'error-id': 'E', 'error-message': 'M\nN' })
    expect(step.outputs).toEqual({
      status: 'FAILED',
      'error-id': 'E',
      'error-message': 'M\nN',
      reported: 'true',
      'request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect(step.stdout.trim().split('\n')).toEqual([expect.stringMatching(/^Reported FAILED for task /)])
    expect(step.stderr).toBe('')
    // What follows is of another step.
    expect(step.summary.endsWith('\n')).toBe(true)
  })

  test('on failure: what would have been reported', async () => {
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
    expect(Object.values(cellsOf(step.summary))).toContain('FAILED')
    expect(Object.values(cellsOf(step.summary))).toContain('no')
  })

  test('of evidence are what was sent, and that it could be more is one notice before the line', async () => {
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
  const OF_GITHUB = ['ACTIONS', 'JOB', 'REPOSITORY', 'RUN_ID', 'RUN_ATTEMPT', 'SERVER_URL', 'WORKFLOW', 'STATE']

  type Surroundings = readonly (readonly [string, Record<string, string | undefined>])[]

  const OF_THE_JOB: Surroundings = [
    ['no HOME', { HOME: undefined }],
    ['a GITHUB_WORKSPACE that is not there', { GITHUB_WORKSPACE: '/no/such/place' }],
    ['nothing of GitHub', Object.fromEntries(OF_GITHUB.map((name) => [`GITHUB_${name}`, undefined]))],
    ['a debugging runner', { RUNNER_DEBUG: '1' }],
    ['retry settings of AWS', { AWS_MAX_ATTEMPTS: '1', AWS_RETRY_MODE: 'adaptive', AWS_DEFAULTS_MODE: 'auto' }],
    ['invalid settings of AWS', { AWS_RETRY_MODE: 'never', AWS_MAX_ATTEMPTS: 'many', AWS_DEFAULTS_MODE: 'bogus' }],
    [
      'strange settings of AWS',
      { AWS_EXECUTION_ENV: 'x y', AWS_SDK_UA_APP_ID: 'größer 漢', AWS_STS_REGIONAL_ENDPOINTS: 'legacy' },
    ],
    ['a config file that is a directory', { AWS_CONFIG_FILE: tmpdir(), AWS_SHARED_CREDENTIALS_FILE: tmpdir() }],
  ]

  // What only a process shows, several at once.
  const OF_THE_PROCESS: Surroundings = [
    [
      'Node with options, and an odd locale and time zone',
      {
        NODE_OPTIONS: '--max-old-space-size=256 --enable-source-maps',
        NODE_ENV: 'test',
        NODE_TLS_REJECT_UNAUTHORIZED: '',
        AWS_NODEJS_CONNECTION_REUSE_ENABLED: '1',
        AWS_SDK_LOAD_CONFIG: '1',
        LANG: 'tr_TR.UTF-8',
        LC_ALL: 'tr_TR.UTF-8',
        TZ: 'Pacific/Chatham',
      },
    ],
    [
      'no PATH and RUNNER_TEMP, colours, a huge variable',
      {
        PATH: undefined,
        RUNNER_TEMP: undefined,
        FORCE_COLOR: '1',
        NO_COLOR: undefined,
        // Windows takes no more than 32,767.
        SOME_TEXT: 'x'.repeat(process.platform === 'win32' ? 32_000 : 100_000),
      },
    ],
  ]

  async function expectReport(env: Record<string, string | undefined>, as?: 'process'): Promise<void> {
    const { step, bodies } = await report({ status: 'FAILED', 'error-id': 'E' }, { env, ...(as && { as }) })
    expect(step.errors).toEqual([])
    expect(bodies).toMatchObject([{ taskStatus: 'FAILED', errorId: 'E' }])
    expect(step.exitCode).toBe(0)
    expect(step.outputs['reported']).toBe('true')
  }

  test.each(OF_THE_JOB)('%s', async (_name, env) => {
    await expectReport(env)
  })

  test.concurrent.each(OF_THE_PROCESS)('%s', async (_name, env) => {
    await expectReport(env, 'process')
  })

  const { 'task-id': _, 'job-status': __, 'action-status': ___, ...optional } = readActionFile('.').inputs
  const OPTIONAL = Object.keys(optional)

  test('every optional input is the empty string', async () => {
    const inputs = Object.fromEntries(OPTIONAL.map((name) => [name, '']))
    const { step, bodies, taskId } = await report(inputs, { jobStatus: 'failure' })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('failure') }])
    expect(step.commands).toEqual([{ name: 'notice', properties: {}, message: NO_TOKEN_NOTICE }])
    expect(step.exitCode).toBe(0)
  })

  test('no optional input is there at all', async () => {
    const env = Object.fromEntries(OPTIONAL.map((name) => [`INPUT_${name.toUpperCase()}`, undefined]))
    const { bodies, step } = await report({}, { env })
    expect(bodies).toMatchObject([{ taskStatus: 'FINISHED' }])
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('nobody reads the output of the step', async () => {
    const inputs = { status: 'FAILED', 'error-id': '\u001b[0mE' }
    const { bodies } = await report(inputs, { as: 'process', stdout: 'closed' })
    expect(bodies).toMatchObject([{ taskStatus: 'FAILED', errorId: 'E' }])
  })
})
