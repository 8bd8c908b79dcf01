// The status always gets through, as long as there is time and hope; and nobody waits where there is none.
import { createServer } from 'node:net'
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
import { idlePort } from '../support/idle-port.ts'
import { eventually } from '../support/processes.ts'
import { LocalProxy, SilentOnce, TlsFront } from '../support/proxy.ts'
import type { StepResult } from '../support/step.ts'
import { STALL_MS, slowClock } from '../support/timing.ts'
import type { RunningStep } from '../support/worker.ts'
import { reportTo } from './reporting.ts'

const onPosix = (process.platform === 'win32' ? test.skip : test.concurrent) as typeof test.concurrent

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
  test.concurrent.each(effects)('%s', async (_name, fault) => {
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

test.concurrent('a service that throttles for longer than the SDK tries is waited for', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(...times(3, throttle()))
  const { step, bodies } = await reportTo(service)
  expect(bodies).toHaveLength(4)
  expect(step.exitCode).toBe(0)
  const arrivals = service.requestsFor('SetTaskStatus').map(({ at }) => at)
  const waits = arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? 0))
  // Exponential: 1 to 2 s first, and 4 to 8 s in the end.
  expect(waits[0]).toBeGreaterThan(900)
  expect(waits[2]).toBeGreaterThan(3_900)
})

describe('whose answer is lost', () => {
  // The service has the report; the second one is told that the task has ended.
  test.concurrent.each([
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

  test.concurrent('but the service accepts another report of the same task: a plain success', async () => {
    await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
    service.injectFault(lostReply())
    const { step } = await reportTo(service, { status: 'FAILED' })
    expect(step.warnings).toEqual([])
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('then throttling, then TaskNotFound', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(lostReply(), throttle())
    const { step, bodies } = await reportTo(service)
    expect(bodies).toHaveLength(3)
    expect(step.warnings).toHaveLength(1)
    expect(step.exitCode).toBe(0)
  })

  // The service finds the second request invalid, and has ended the task by the third.
  test.concurrent('then InvalidRequestException, then TaskNotFound: the outputs are those of the report that landed', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(lostReply(), invalidRequest())
    const { step, bodies } = await reportTo(service, { status: 'FALSE', 'error-id': 'E', 'error-message': 'why' })
    expect(bodies).toHaveLength(3)
    expect(step.outputs).toMatchObject({ reported: 'true', 'error-id': 'E', 'error-message': 'why' })
    expect(step.exitCode).toBe(0)
  })

  // So a service may answer whose task has its status already.
  test.concurrent('then InvalidRequestException: an error that says to look at the attempt', async () => {
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

  test.concurrent('TaskNotFound after a throttled try, which had no effect, stays an error', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(throttle(), internalError(), taskNotFound())
    const { step } = await reportTo(service)
    expect(step.errors).toHaveLength(1)
    expect(step.outputs['reported']).toBe('false')
    expect(step.exitCode).toBe(1)
  })
})

describe('a service without a word', () => {
  test.concurrent('hangs once: the try is given up, and the next one reports', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(hang())
    const { step, bodies, taskId } = await reportTo(service, { status: 'FAILED', 'timeout-seconds': '10' })
    expect(step.exitCode).toBe(0)
    expect(bodies).toHaveLength(2)
    expect(service.task(taskId).status).toBe('FAILED')
  })

  test.concurrent('hangs for ever: several tries, and one error in time', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(hang())
    const { step, bodies, taskId } = await reportTo(service, { 'timeout-seconds': '8' })
    expect(bodies.length).toBeGreaterThan(1)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain(taskId.slice(0, 12))
    expect(step.errors[0]).toContain('timeout-seconds')
    expect(step.exitCode).toBe(1)
    expect(fromFirstRequest(service, step)).toBeLessThan(8_000 + STALL_MS)
    expect(step.tookMs).toBeGreaterThan(6_000)
  })

  test.concurrent('answers a byte at a time, too slowly to be waited for', async () => {
    await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
    // Two bytes take longer than all tries may.
    service.injectFault(dribble(8_000))
    const { step, bodies } = await reportTo(service, { 'timeout-seconds': '12' })
    expect(step.exitCode).toBe(0)
    expect(bodies).toHaveLength(2)
  })

  test.concurrent('dribbles its answer for ever: one error in time', async () => {
    await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
    service.keepInjectingFault(dribble(3_000))
    const { step, bodies } = await reportTo(service, { 'timeout-seconds': '8' })
    expect(bodies.length).toBeGreaterThan(1)
    expect(step.errors).toHaveLength(1)
    expect(fromFirstRequest(service, step)).toBeLessThan(8_000 + STALL_MS)
  })

  test.concurrent('answers late, but in time', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(late(700))
    const { step, bodies } = await reportTo(service)
    expect(bodies).toHaveLength(1)
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('takes connections and says nothing, not even TCP to the end', async () => {
    const sockets = new Set<{ destroy(): void }>()
    let connectedAt = 0
    const server = createServer((socket) => {
      connectedAt ||= Date.now()
      sockets.add(socket.on('error', () => {}))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(
      service,
      { 'timeout-seconds': '3' },
      { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: `http://127.0.0.1:${port}` } },
    )
    for (const socket of sockets) socket.destroy()
    server.close()
    expect(step.errors).toHaveLength(1)
    expect(step.endedAt - connectedAt).toBeLessThan(3_000 + STALL_MS)
  })
})

test.concurrent.each(['{}', ''] as const)('status 200 with %j is a success', async (text) => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(emptyResponse(text))
  const { step, bodies } = await reportTo(service)
  expect(bodies).toHaveLength(1)
  expect(step.exitCode).toBe(0)
  expect(step.outputs['reported']).toBe('true')
})

describe('never tried again', () => {
  test.concurrent.each([
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

test.concurrent('an empty page with status 200, that names neither a request nor a type of AWS, is not taken for a success', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault({ kind: 'page', status: 200, contentType: 'text/html', text: '' })
  const { bodies, taskId } = await reportTo(service, { status: 'FAILED' })
  expect(bodies).toHaveLength(2)
  expect(service.task(taskId).status).toBe('FAILED')
})

// A try that is given up too soon, each time, would never hear of its own success.
test.concurrent('a service that takes two of ten seconds for each answer is heard', async () => {
  await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
  service.keepInjectingFault(late(2_000))
  const { step } = await reportTo(service, { status: 'FAILED', 'timeout-seconds': '10' })
  expect(step.errors).toEqual([])
  expect(step.exitCode).toBe(0)
})

describe('the budget', () => {
  test.concurrent.each([
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
      expect(fromFirstRequest(service, step)).toBeLessThan(8_000 + STALL_MS)
    },
  )

  test.concurrent('of one second is enough for a service that answers', async () => {
    await using service = await LocalDataPipeline.start()
    // Else it would not be enough for a machine that stands still for a second.
    const { step, bodies } = await reportTo(service, { 'timeout-seconds': '1' }, { env: slowClock(10) })
    expect(bodies).toHaveLength(1)
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('of one second ends within it when nobody answers', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(hang())
    const { step } = await reportTo(service, { 'timeout-seconds': '1' })
    expect(step.errors).toHaveLength(1)
    expect(fromFirstRequest(service, step)).toBeLessThan(1_000 + STALL_MS)
  })
})

test.concurrent('a service that comes up a moment later', async () => {
  const port = await idlePort()
  await using idle = await LocalDataPipeline.start()
  const { starting, onStart } = startOnceRefused(port)
  const task = 'a-task-of-the-late-service'
  void starting.then((service) => service.addTask({ taskId: task }))
  const { step } = await reportTo(
    idle,
    { 'task-id': task },
    { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: `http://127.0.0.1:${port}` }, onStart },
  )
  await using service = await starting
  expect(step.exitCode).toBe(0)
  expect(service.task(task).status).toBe('FINISHED')
  expect(step.stdout).toContain('ECONNREFUSED')
})

test.concurrent('a clock that is 20 minutes off is put right with the time of the service', async () => {
  for (const offMs of [-20 * 60_000, 20 * 60_000]) {
    await using service = await LocalDataPipeline.start({ clock: () => Date.now() + offMs })
    const { step, taskId } = await reportTo(service, { status: 'FAILED', 'timeout-seconds': '10' })
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
    expect(service.task(taskId).status).toBe('FAILED')
  }
})

// A middle box that makes times up, each different from the last.
test.concurrent('a service whose clock jumps with each answer is not hammered', async () => {
  let reads = 0
  await using service = await LocalDataPipeline.start({
    clock: () => Date.now() + 3_600_000 * ++reads,
  })
  const { step, bodies } = await reportTo(service, { status: 'FAILED', 'timeout-seconds': '4' })
  expect(step.exitCode).toBe(1)
  expect(step.errors).toHaveLength(1)
  expect(bodies.length).toBeLessThan(20)
  expect(step.tookMs).toBeLessThan(4_000 + STALL_MS)
})

describe('a task that is not found, when no earlier request can have arrived', () => {
  test.concurrent.each([
    ['was refused by a proxy', 403],
    ['was too much for a proxy', 429],
  ])('because it %s: an error', async (_name, status) => {
    await using service = await LocalDataPipeline.start()
    service.injectFault({ kind: 'page', status, contentType: 'text/html', text: '<html>no</html>' })
    const { step } = await reportTo(service, { 'task-id': 'no-such-task' })
    expect(step.outputs['reported']).toBe('false')
    expect(step.exitCode).toBe(1)
  })

  test.concurrent('because nobody listened: an error', async () => {
    const port = await idlePort()
    await using idle = await LocalDataPipeline.start()
    const { starting, onStart } = startOnceRefused(port)
    const { step } = await reportTo(
      idle,
      { 'task-id': 'no-such-task' },
      { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: `http://127.0.0.1:${port}` }, onStart },
    )
    await using service = await starting
    expect(service.requests.length).toBeGreaterThan(0)
    expect(step.outputs['reported']).toBe('false')
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
  })
})

// What an answer is does not depend on when it came. The limit of requests for credentials is long over by then.
describe('a task that is not found, after a late answer that says that nothing can have landed', () => {
  test.concurrent.each([
    ['a page of a proxy with status 503', 503],
    ['a page of a proxy with status 403', 403],
  ])('%s: an error', async (_name, status) => {
    await using service = await LocalDataPipeline.start()
    const text = '<html>no</html>'
    service.injectFault({ kind: 'page', status, contentType: 'text/html', text, afterMs: 2_000 })
    const { step } = await reportTo(
      service,
      { 'task-id': 'no-such-task', 'timeout-seconds': '4' },
      { env: slowClock(10) },
    )
    expect(step.stdout).toContain(`status ${status}`)
    expect(step.warnings).toEqual([])
    expect(step.outputs['reported']).toBe('false')
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
  })
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
      // Twice what a try may take.
      await delay(4_000)
      await eventually(() => service.requestsFor('SetTaskStatus')[0]?.response !== undefined)
      child.kill('SIGCONT')
    }
    const env = protocol === 'http' ? {} : { AWS_ENDPOINT_URL_DATA_PIPELINE: front.url, NODE_EXTRA_CA_CERTS: 'ca.pem' }
    const { step, bodies } = await reportTo(
      service,
      { 'timeout-seconds': '8' },
      { env, onStart, files: { 'ca.pem': front.cert } },
    )
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(bodies).toHaveLength(1)
  },
)

// Nothing was sent on a connection that never was ready.
describe('a task that is not found, after a connection on which nothing was sent', () => {
  test.concurrent('as the TLS handshake had no answer: an error', async () => {
    await using service = await LocalDataPipeline.start()
    await using front = await TlsFront.start(service.url)
    await using silent = await SilentOnce.start(front.port)
    const { step } = await reportTo(
      service,
      { 'task-id': 'no-such-task', 'timeout-seconds': '20' },
      {
        files: { 'front.pem': front.cert },
        env: {
          AWS_ENDPOINT_URL_DATA_PIPELINE: `https://127.0.0.1:${silent.port}`,
          NODE_EXTRA_CA_CERTS: 'front.pem',
        },
      },
    )
    expect(silent.connections).toBe(2)
    expect(step.warnings).toEqual([])
    expect(step.outputs['reported']).toBe('false')
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('TaskNotFoundException')
    expect(step.exitCode).toBe(1)
  })

  test.concurrent("as the proxy's tunnel had no answer: an error", async () => {
    await using service = await LocalDataPipeline.start()
    await using front = await TlsFront.start(service.url, ['datapipeline.us-east-1.amazonaws.com'])
    await using proxy = await LocalProxy.start('forward', front.url)
    await using silent = await SilentOnce.start(Number(new URL(proxy.url).port))
    const { step } = await reportTo(
      service,
      { 'task-id': 'no-such-task', 'timeout-seconds': '20' },
      {
        files: { 'front.pem': front.cert },
        env: {
          AWS_ENDPOINT_URL_DATA_PIPELINE: undefined,
          HTTPS_PROXY: `http://127.0.0.1:${silent.port}`,
          NODE_EXTRA_CA_CERTS: 'front.pem',
        },
      },
    )
    expect(proxy.requests).toHaveLength(1)
    expect(step.warnings).toEqual([])
    expect(step.outputs['reported']).toBe('false')
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('TaskNotFoundException')
    expect(step.exitCode).toBe(1)
  })

  test.concurrent.each(['directly', 'through a tunnel', 'with any certificate'])(
    'but one whose answer was lost over TLS, %s, is taken for reported',
    async (way) => {
      await using service = await LocalDataPipeline.start()
      await using front = await TlsFront.start(service.url, ['datapipeline.us-east-1.amazonaws.com', '127.0.0.1'])
      await using proxy = await LocalProxy.start('forward', front.url)
      service.injectFault(lostReply())
      const { step } = await reportTo(
        service,
        { status: 'FAILED' },
        {
          files: { 'front.pem': front.cert },
          env: {
            AWS_ENDPOINT_URL_DATA_PIPELINE: way === 'through a tunnel' ? undefined : front.url,
            HTTPS_PROXY: way === 'through a tunnel' ? proxy.url : undefined,
            ...(way === 'with any certificate'
              ? { NODE_TLS_REJECT_UNAUTHORIZED: '0' }
              : { NODE_EXTRA_CA_CERTS: 'front.pem' }),
          },
        },
      )
      expect(step.errors).toEqual([])
      expect(step.warnings[0]).toMatch(/[Mm]ost likely/)
      expect(step.outputs['reported']).toBe('true')
    },
  )
})

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

/** Milliseconds from the step's first request to its end: how fast the machine starts a process is not asked here. */
function fromFirstRequest(service: LocalDataPipeline, step: StepResult): number {
  return step.endedAt - (service.requests[0]?.at ?? 0)
}
