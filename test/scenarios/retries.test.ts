// The status always gets through, as long as there is time and hope; and nobody waits where there is none.
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import {
  accessDenied,
  bare,
  dribble,
  emptyResponse,
  error,
  type Fault,
  hang,
  headless,
  html,
  internalError,
  invalidRequest,
  late,
  lostReply,
  notJson,
  pipelineDeleted,
  pipelineNotFound,
  reset,
  taskNotFound,
  throttle,
  times,
  truncated,
  truncatedJson,
  unrecognizedClient,
} from '../fakes/aws/faults.ts'
import { caFile } from '../support/ca-file.ts'
import { passTime } from '../support/called-step.ts'
import { idlePort } from '../support/idle-port.ts'
import type { Style } from '../support/perform.ts'
import { eventually } from '../support/processes.ts'
import { LocalProxy, SilentOnce, TlsFront } from '../support/proxy.ts'
import type { RunningStep } from '../support/worker.ts'
import { type Reporting, reportTo } from './reporting.ts'

const onPosix = (process.platform === 'win32' ? test.skip : test.concurrent) as typeof test.concurrent

/** The name of Data Pipeline at AWS, which only a proxy leads to here. */
const AWS_HOST = 'datapipeline.us-east-1.amazonaws.com'

/** All of them, so that nothing is added. */
const ERROR_INPUTS = { 'error-id': 'E', 'error-message': 'M', 'error-stack-trace': 'T' }

const ONE_LINE_OF_SUCCESS = /Reported FAILED for task .*/

describe('once, then all is well: reported at the second try', () => {
  const effects: ReadonlyArray<readonly [string, Fault]> = [
    ['ThrottlingException', throttle('ThrottlingException')],
    ['Throttling', throttle('Throttling')],
    ['TooManyRequestsException', throttle('TooManyRequestsException')],
    ['RequestLimitExceeded', throttle('RequestLimitExceeded')],
    ['a namespaced code', error('com.amazon.coral.availability#ThrottlingException', 'Rate exceeded')],
    ['InternalServiceError', internalError()],
    ['an unknown error with status 500', error('SomethingNew', 'oops', 500)],
    ['ServiceUnavailable', error('ServiceUnavailableException', 'busy', 503)],
    ['an unknown error with status 429', error('SlowPlease', 'slow', 429)],
    ['a bare 500', bare(500)],
    ['a bare 502', bare(502)],
    ['a bare 503', bare(503)],
    ['a bare 504', bare(504)],
    ['a reset before the request was read', reset('before reading')],
    ['a reset after the request was read', reset('after reading')],
    ['an HTML page with status 502', html(502)],
    ['an HTML page with status 200', html(200)],
    ['text that is no JSON, with status 200', notJson()],
  ]
  test.each(effects)('%s', async (_name, fault) => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(fault)
    const { step, bodies, taskId } = await reportTo(service, { status: 'FAILED', ...ERROR_INPUTS })
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
    expect(bodies.length === 2 || fault.kind === 'reset').toBe(true)
    const report = { taskId, taskStatus: 'FAILED', errorId: 'E', errorMessage: 'M', errorStackTrace: 'T' }
    expect(bodies.at(-1)).toEqual(report)
    expect(service.task(taskId).status).toBe('FAILED')
    expect(step.stdout).toMatch(ONE_LINE_OF_SUCCESS)
    expect(step.stdout).toContain('Attempt 1 failed')
    expect(step.commands).toEqual([])
    expect(step.outputs['reported']).toBe('true')
  })
})

test('a service that throttles for longer than the SDK tries is waited for, each time longer', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(...times(3, throttle()))
  const { step, bodies } = await reportTo(service)
  expect(bodies).toHaveLength(4)
  expect(step.exitCode).toBe(0)
  // 1 to 2 s, 2 to 4 s, and 4 to 8 s.
  expect(step.tookMs).toBeGreaterThanOrEqual(7_000)
  expect(step.tookMs).toBeLessThanOrEqual(14_000)
})

describe('whose answer is lost', () => {
  // The service has the report; the second one is told that the task has ended.
  test.each([
    ['reset', lostReply()],
    ['truncated', truncated()],
    ['truncated JSON', truncatedJson()],
    ['no HTTP', headless()],
    ['JSON behind a byte order mark', { kind: 'body', text: '\ufeff{}' }],
    ['a line end only', { kind: 'body', text: '\n' }],
  ] as ReadonlyArray<readonly [string, Fault]>)(
    '%s, then TaskNotFound: a warning, and the step is green',
    async (_name, fault) => {
      await using service = await LocalDataPipeline.start()
      service.injectFault(fault)
      const { step, bodies, taskId } = await reportTo(service, { status: 'FAILED', 'error-message': 'why' })
      expect(bodies).toHaveLength(2)
      expect(service.task(taskId).status).toBe('FAILED')
      expect(step.errors).toEqual([])
      expect(step.warnings).toHaveLength(1)
      expect(step.warnings[0]).toMatch(/[Mm]ost likely/)
      expect(step.warnings[0]).toContain(taskId.slice(0, 12))
      expect(step.exitCode).toBe(0)
      expect(step.outputs).toMatchObject({ status: 'FAILED', reported: 'true' })
      expect(step.summary).toContain('most likely')
    },
  )

  test('but the service accepts another report of the same task: a plain success', async () => {
    await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
    service.injectFault(lostReply())
    const { step } = await reportTo(service, { status: 'FAILED' })
    expect(step.warnings).toEqual([])
    expect(step.exitCode).toBe(0)
  })

  test('then throttling, then TaskNotFound', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(lostReply(), throttle())
    const { step, bodies } = await reportTo(service)
    expect(bodies).toHaveLength(3)
    expect(step.warnings).toHaveLength(1)
    expect(step.exitCode).toBe(0)
  })

  // The service finds the second request invalid, and has ended the task by the third.
  test('then InvalidRequestException, then TaskNotFound: the outputs are those of the report that landed', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(lostReply(), invalidRequest())
    const { step, bodies } = await reportTo(service, { status: 'FALSE', 'error-id': 'E', 'error-message': 'why' })
    expect(bodies).toHaveLength(3)
    expect(step.outputs).toMatchObject({ reported: 'true', 'error-id': 'E', 'error-message': 'why' })
    expect(step.exitCode).toBe(0)
  })

  // So a service may answer whose task has its status already.
  test('then InvalidRequestException: an error that says to look at the attempt', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(lostReply(), invalidRequest())
    const { step, bodies } = await reportTo(service)
    expect(bodies).toHaveLength(2)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('InvalidRequestException')
    expect(step.errors[0]).toMatch(/may have succeeded.*Check the status of the task attempt/)
    expect(step.errors[0]).not.toContain('task-id')
    expect(step.warnings).toEqual([])
    expect(step.outputs['reported']).toBe('false')
    expect(step.exitCode).toBe(1)
  })

  test('TaskNotFound after a throttled try, which had no effect, stays an error', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(throttle(), internalError(), taskNotFound())
    const { step } = await reportTo(service)
    expect(step.errors).toHaveLength(1)
    expect(step.outputs['reported']).toBe('false')
    expect(step.exitCode).toBe(1)
  })
})

describe('a service without a word', () => {
  test('hangs once: the try is given up after a quarter of the time, and the next one reports', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(hang())
    const inputs = { status: 'FAILED', 'timeout-seconds': '10' }
    const { step, bodies, taskId } = await reportTo(service, inputs, { timePasses: true })
    expect(step.exitCode).toBe(0)
    expect(bodies).toHaveLength(2)
    expect(service.task(taskId).status).toBe('FAILED')
    expect(step.tookMs).toBeGreaterThanOrEqual(2_500)
    expect(step.tookMs).toBeLessThan(3_100)
  })

  test.each([
    ['hangs', hang()],
    ['sends a byte now and then', dribble(50)],
  ])('%s for ever: several tries, and one error in time', async (_name, fault) => {
    await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
    service.keepInjectingFault(fault)
    const { step, bodies, taskId } = await reportTo(service, { 'timeout-seconds': '8' }, { timePasses: true })
    expect(bodies.length).toBeGreaterThan(1)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain(taskId.slice(0, 12))
    expect(step.errors[0]).toContain('timeout-seconds')
    expect(step.exitCode).toBe(1)
    expect(step.tookMs).toBeGreaterThan(6_000)
    expect(step.tookMs).toBeLessThanOrEqual(8_001)
  })

  test('sends a byte now and then once, too slowly to be waited for', async () => {
    await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
    service.injectFault(dribble(50))
    const { step, bodies } = await reportTo(service, { 'timeout-seconds': '12' }, { timePasses: true })
    expect(step.exitCode).toBe(0)
    expect(bodies).toHaveLength(2)
  })
})

test.each(['{}', ''] as const)('status 200 with %j is a success', async (text) => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(emptyResponse(text))
  const { step, bodies } = await reportTo(service)
  expect(bodies).toHaveLength(1)
  expect(step.exitCode).toBe(0)
  expect(step.outputs['reported']).toBe('true')
})

describe('never tried again', () => {
  test.each([
    ['TaskNotFoundException', taskNotFound(), /task-id/],
    ['PipelineNotFoundException', pipelineNotFound(), /pipeline/],
    ['PipelineDeletedException', pipelineDeleted(), /deleted/],
    ['AccessDeniedException', accessDenied(), /"Action": ?"datapipeline:SetTaskStatus", ?"Resource": ?"\*"/],
    ['UnrecognizedClientException', unrecognizedClient(), /credentials/],
    ['InvalidRequestException', invalidRequest(), /task-id/],
    ['ValidationException', error('ValidationException', 'no'), /task-id/],
    ['SomethingNobodyKnows', error('SomethingNobodyKnows', 'what?'), /debug/],
  ] as ReadonlyArray<readonly [string, Fault, RegExp]>)('%s', async (code, fault, hint) => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(fault)
    const { step, bodies, taskId } = await reportTo(service)
    expect(bodies).toHaveLength(1)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain(code)
    expect(step.errors[0]).toContain(fault.kind === 'error' ? fault.message : '')
    expect(step.errors[0]).toContain('FINISHED')
    expect(step.errors[0]).toContain(taskId.slice(0, 12))
    expect(step.errors[0]).toMatch(hint)
    expect(step.errors[0]).toMatch(/request id:? ?[0-9a-f-]{36}/i)
    expect(step.errors[0]).not.toMatch(/\n {4}at /)
    expect(step.warnings).toEqual([])
    expect(step.exitCode).toBe(1)
    expect(step.outputs).toMatchObject({ status: 'FINISHED', reported: 'false' })
    expect(step.stdout).not.toContain('Trying again')
  })
})

test('an empty page with status 200, that names neither a request nor a type of AWS, is not taken for a success', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault({ kind: 'page', status: 200, contentType: 'text/html', text: '' })
  const { bodies, taskId } = await reportTo(service, { status: 'FAILED' })
  expect(bodies).toHaveLength(2)
  expect(service.task(taskId).status).toBe('FAILED')
})

// A try that is given up too soon, each time, would never hear of its own success.
test('a service that takes two of ten seconds for an answer is heard', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(late(10))
  void service.received('SetTaskStatus').then(() => passTime(2_000))
  const { step, bodies } = await reportTo(service, { status: 'FAILED', 'timeout-seconds': '10' })
  expect(step.errors).toEqual([])
  expect(step.exitCode).toBe(0)
  expect(bodies).toHaveLength(1)
})

describe('the budget', () => {
  test.each([
    ['throttling', throttle()],
    ['500', internalError()],
    ['resets', reset()],
    ['HTML', html(502)],
  ] as ReadonlyArray<readonly [string, Fault]>)(
    'spent on %s: one error within it, with the cause and a hint',
    async (_name, fault) => {
      await using service = await LocalDataPipeline.start()
      service.keepInjectingFault(fault)
      const { step, bodies } = await reportTo(service, { 'timeout-seconds': '8' })
      expect(bodies.length).toBeGreaterThan(1)
      expect(step.errors).toHaveLength(1)
      expect(step.errors[0]).toMatch(/tries|time/)
      expect(step.exitCode).toBe(1)
      expect(step.tookMs).toBeLessThanOrEqual(8_000)
    },
  )

  test('of one second is enough for a service that answers', async () => {
    await using service = await LocalDataPipeline.start()
    const { step, bodies } = await reportTo(service, { 'timeout-seconds': '1' })
    expect(bodies).toHaveLength(1)
    expect(step.exitCode).toBe(0)
  })

  test('of one second ends within it when nobody answers', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(hang())
    const { step } = await reportTo(service, { 'timeout-seconds': '1' }, { timePasses: true })
    expect(step.errors).toHaveLength(1)
    expect(step.tookMs).toBeLessThanOrEqual(1_001)
  })
})

test('a clock that is 20 minutes off is put right with the time of the service', async () => {
  for (const offMs of [-20 * 60_000, 20 * 60_000]) {
    await using service = await LocalDataPipeline.start({ clock: () => Date.now() + offMs })
    const { step, taskId } = await reportTo(service, { status: 'FAILED', 'timeout-seconds': '10' })
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
    expect(service.task(taskId).status).toBe('FAILED')
  }
})

// A middle box that makes times up, each different from the last.
test('a service whose clock jumps with each answer is not hammered', async () => {
  let reads = 0
  await using service = await LocalDataPipeline.start({
    clock: () => Date.now() + 3_600_000 * ++reads,
  })
  const { step, bodies } = await reportTo(service, { status: 'FAILED', 'timeout-seconds': '4' })
  expect(step.exitCode).toBe(1)
  expect(step.errors).toHaveLength(1)
  expect(bodies.length).toBeLessThan(20)
  expect(step.tookMs).toBeLessThanOrEqual(4_000)
})

describe('a task that is not found, when no earlier request can have arrived', () => {
  const NO_TASK = { 'task-id': 'no-such-task' }

  function expectNotFound({ step }: Reporting): void {
    expect(step.warnings).toEqual([])
    expect(step.outputs['reported']).toBe('false')
    expect(step.errors).toEqual([expect.stringContaining('TaskNotFoundException')])
    expect(step.exitCode).toBe(1)
  }

  test.each([
    ['was refused by a proxy', 403],
    ['was too much for a proxy', 429],
  ])('because it %s: an error', async (_name, status) => {
    await using service = await LocalDataPipeline.start()
    service.injectFault({ kind: 'page', status, contentType: 'text/html', text: '<html>no</html>' })
    const { step } = await reportTo(service, NO_TASK)
    expect(step.outputs['reported']).toBe('false')
    expect(step.exitCode).toBe(1)
  })

  // What an answer is does not depend on when it came. The limit of requests for credentials, a second, is over by then.
  test('because a proxy said so after a while: an error', async () => {
    await using service = await LocalDataPipeline.start()
    const text = '<html>no</html>'
    service.injectFault({ kind: 'page', status: 503, contentType: 'text/html', text, afterMs: 1_200 })
    const reporting = await reportTo(service, { ...NO_TASK, 'timeout-seconds': '4' })
    expect(reporting.step.stdout).toContain('status 503')
    expectNotFound(reporting)
  })

  test('because the TLS handshake had no answer: an error', async () => {
    await using service = await LocalDataPipeline.start()
    await using front = await TlsFront.start(service.url)
    await using silent = await SilentOnce.start(front.port)
    const env = {
      AWS_ENDPOINT_URL_DATA_PIPELINE: `https://127.0.0.1:${silent.port}`,
      AWS_CA_BUNDLE: caFile(front.cert),
    }
    expectNotFound(await reportTo(service, NO_TASK, { env, timePasses: true }))
    expect(silent.connections).toBe(2)
  })

  test("because the proxy's tunnel had no answer: an error", async () => {
    await using service = await LocalDataPipeline.start()
    await using front = await TlsFront.start(service.url, [AWS_HOST])
    await using proxy = await LocalProxy.start('forward', front.url)
    await using silent = await SilentOnce.start(Number(new URL(proxy.url).port))
    const env = {
      AWS_ENDPOINT_URL_DATA_PIPELINE: undefined,
      HTTPS_PROXY: `http://127.0.0.1:${silent.port}`,
      AWS_CA_BUNDLE: caFile(front.cert),
    }
    expectNotFound(await reportTo(service, NO_TASK, { env, timePasses: true }))
    expect(proxy.requests).toHaveLength(1)
  })

  test.concurrent('because nobody listened: an error', async () => {
    const port = await idlePort()
    await using idle = await LocalDataPipeline.start()
    const { starting, onStart } = startOnceRefused(port)
    const env = { AWS_ENDPOINT_URL_DATA_PIPELINE: `http://127.0.0.1:${port}` }
    expectNotFound(await reportTo(idle, NO_TASK, { as: 'process', env, onStart }))
    await using service = await starting
    expect(service.requests.length).toBeGreaterThan(0)
  })
})

describe('a task that is not found, after an answer was lost over TLS, is taken for reported', () => {
  const ways = {
    directly: (front, ca) => ({ AWS_ENDPOINT_URL_DATA_PIPELINE: front.url, AWS_CA_BUNDLE: ca }),
    'through a tunnel': (_front, ca, proxy) => ({
      AWS_ENDPOINT_URL_DATA_PIPELINE: undefined,
      HTTPS_PROXY: proxy.url,
      AWS_CA_BUNDLE: ca,
    }),
    'with any certificate': (front) => ({
      AWS_ENDPOINT_URL_DATA_PIPELINE: front.url,
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    }),
  } satisfies Record<string, (front: TlsFront, ca: string, proxy: LocalProxy) => NodeJS.ProcessEnv>

  const takenForReported =
    (style: Style = {}) =>
    async (way: string): Promise<void> => {
      await using service = await LocalDataPipeline.start()
      await using front = await TlsFront.start(service.url, [AWS_HOST, '127.0.0.1'])
      await using proxy = await LocalProxy.start('forward', front.url)
      service.injectFault(lostReply())
      const env = ways[way as keyof typeof ways](front, caFile(front.cert), proxy)
      const { step } = await reportTo(service, { status: 'FAILED' }, { ...style, env })
      expect(step.errors).toEqual([])
      expect(step.warnings[0]).toMatch(/[Mm]ost likely/)
      expect(step.outputs['reported']).toBe('true')
    }

  test.each(['directly', 'through a tunnel'])('%s', takenForReported())
  test.concurrent.each(['with any certificate'])('%s', takenForReported({ as: 'process' }))
})

// A virtual machine that is suspended, or a process that gets no turn, wakes up behind all of its limits.
onPosix.each(['http', 'https'])(
  'an answer that came in time over %s, while the step stood still, counts',
  async (protocol) => {
    await using service = await LocalDataPipeline.start()
    await using front = await TlsFront.start(service.url)
    service.injectFault(late(500))
    const onStart = async (child: RunningStep): Promise<void> => {
      await service.received('SetTaskStatus')
      child.kill('SIGSTOP')
      // A try may take two.
      await delay(3_000)
      await eventually(() => service.requestsFor('SetTaskStatus')[0]?.response !== undefined)
      child.kill('SIGCONT')
    }
    const env =
      protocol === 'http' ? {} : { AWS_ENDPOINT_URL_DATA_PIPELINE: front.url, NODE_EXTRA_CA_CERTS: caFile(front.cert) }
    const { step, bodies } = await reportTo(service, { 'timeout-seconds': '8' }, { as: 'process', env, onStart })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(bodies).toHaveLength(1)
  },
)

/** A service that comes up on this port when the step has told that its first try was refused there, however late. */
function startOnceRefused(port: number) {
  const { promise: starting, resolve, reject } = Promise.withResolvers<LocalDataPipeline>()
  const onStart = (child: RunningStep): void => {
    let said = ''
    const listen = (text: string | Buffer): void => {
      said += text
      if (!said.includes('ECONNREFUSED')) return
      child.stdout?.off('data', listen)
      LocalDataPipeline.start({ port }).then(resolve, reject)
    }
    child.stdout?.on('data', listen)
  }
  return { starting, onStart }
}
