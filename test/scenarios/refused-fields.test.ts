// Nobody knows which of the published limits the service holds. What decorates a report must not stop it.
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import {
  invalidRequest,
  refuseErrorFields,
  refuseLongStackTraces,
  times,
  validationError,
} from '../fakes/aws/faults.ts'
import { localEvidence, reportTo } from './reporting.ts'

const LONG = {
  status: 'FAILED',
  'error-id': 'Build',
  'error-message': `first ${'m'.repeat(9_000)} last`,
  'error-stack-trace': `top ${'t'.repeat(3_900)} bottom`,
}

const textOf = (value: unknown): string => String(value ?? '')

// A ValidationException is the same (test/unit/aws/errors.test.ts).
describe('an answer InvalidRequestException', () => {
  const code = 'InvalidRequestException'
  const refusal = invalidRequest()

  test.each([
    ['InvalidRequestException', invalidRequest()],
    ['ValidationException', validationError()],
  ])(
    'once (%s): the status is sent again with a trace of 1024 characters and a message of 2048 bytes',
    async (code, refusal) => {
      await using service = await LocalDataPipeline.start()
      service.injectFault(refusal)
      const { step, bodies, taskId } = await reportTo(service, LONG)

      expect(bodies).toHaveLength(2)
      expect(bodies[0]).toMatchObject({
        taskId,
        errorMessage: LONG['error-message'],
        errorStackTrace: LONG['error-stack-trace'],
      })
      expect(bodies[1]).toMatchObject({ taskId, taskStatus: 'FAILED', errorId: 'Build' })
      const { errorMessage, errorStackTrace } = bodies[1] ?? {}
      expect(Buffer.byteLength(textOf(errorMessage))).toBeLessThanOrEqual(2048)
      expect(Buffer.byteLength(textOf(errorMessage))).toBeGreaterThan(2000)
      expect(textOf(errorMessage)).toMatch(/^first m.*m last$/s)
      expect(textOf(errorStackTrace).length).toBeLessThanOrEqual(1024)
      expect(textOf(errorStackTrace).length).toBeGreaterThan(1000)
      expect(textOf(errorStackTrace)).toMatch(/^top t.*t bottom$/s)
      expect(step.warnings).toHaveLength(1)
      expect(step.warnings[0]).toContain(code)
      expect(step.warnings[0]).toMatch(/short/)
      expect(step.errors).toEqual([])
      expect(step.exitCode).toBe(0)
      expect(step.outputs).toMatchObject({ reported: 'true', 'error-id': 'Build', 'error-message': errorMessage })
    },
  )

  test('twice: the status is sent without error fields', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(...times(2, refusal))
    const { step, bodies, taskId } = await reportTo(service, LONG)

    expect(bodies).toHaveLength(3)
    expect(bodies[2]).toEqual({ taskId, taskStatus: 'FAILED' })
    expect(step.warnings).toHaveLength(2)
    expect(step.warnings[1]).toMatch(/no error texts|without/)
    expect(step.outputs).toEqual({
      status: 'FAILED',
      'error-id': '',
      'error-message': '',
      reported: 'true',
      'request-id': expect.stringMatching(/./),
    })
    expect(step.exitCode).toBe(0)
  })

  test('always: three requests, and one error that names the task and the cause', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(refusal)
    const { step, bodies, taskId } = await reportTo(service, LONG)

    expect(bodies).toHaveLength(3)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain(code)
    expect(step.errors[0]).toContain(taskId.slice(0, 12))
    expect(step.errors[0]).toMatch(/request id/i)
    expect(step.exitCode).toBe(1)
    expect(step.outputs).toMatchObject({ status: 'FAILED', reported: 'false', 'request-id': '' })
    expect(step.stdout).not.toContain('Trying again')
  })

  test('to a report without error fields is never tried again', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(refusal)
    const { step, bodies } = await reportTo(service, { status: 'FINISHED', 'error-message': 'left out' })
    expect(bodies).toHaveLength(1)
    expect(step.errors).toHaveLength(1)
    expect(step.warnings).toEqual([])
    expect(step.exitCode).toBe(1)
  })

  test('to FALSE without error fields, which gets none, is never tried again', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(refusal)
    const { step, bodies, taskId } = await reportTo(service, { status: 'FALSE' })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FALSE' }])
    expect(step.errors).toHaveLength(1)
    expect(step.warnings).toEqual([])
    expect(step.exitCode).toBe(1)
  })

  test('to the evidence of a failure: it is left out, too', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(refusal)
    const { step, bodies, taskId } = await reportTo(service, {}, { jobStatus: 'failure' })
    expect(bodies).toEqual([
      { taskId, taskStatus: 'FAILED', ...localEvidence('failure') },
      { taskId, taskStatus: 'FAILED' },
    ])
    expect(step.warnings).toHaveLength(1)
    expect(step.warnings[0]).toContain(code)
    expect(step.warnings[0]).toContain('no error texts')
    expect(step.outputs).toMatchObject({ reported: 'true', 'error-id': '', 'error-message': '' })
    expect(step.exitCode).toBe(0)
  })

  test('to short error fields: they are left out at once, as shortening changes nothing', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(refusal)
    const { step, bodies, taskId } = await reportTo(service, { status: 'FALSE', 'error-id': 'A', 'error-message': 'B' })
    expect(bodies).toEqual([
      { taskId, taskStatus: 'FALSE', errorId: 'A', errorMessage: 'B' },
      { taskId, taskStatus: 'FALSE' },
    ])
    expect(step.warnings).toHaveLength(1)
    expect(step.exitCode).toBe(0)
  })
})

test("a service with the SDKs' limit of 1024 gets the shorter trace", async () => {
  await using service = await LocalDataPipeline.start({ stackTraceLimit: 1024 })
  const { step, bodies, taskId } = await reportTo(service, LONG)
  expect(step.exitCode).toBe(0)
  expect(bodies).toHaveLength(2)
  expect(service.task(taskId).errorStackTrace).toMatch(/^top t.*t bottom$/s)
})

test('a service that refuses long traces and then any error field still gets the status', async () => {
  await using service = await LocalDataPipeline.start()
  service.keepInjectingFault(refuseErrorFields())
  const { step, taskId } = await reportTo(service, LONG)
  expect(service.task(taskId).status).toBe('FAILED')
  expect(step.exitCode).toBe(0)
})

test('three fields that keep their own limits, but not 15,360 bytes together, get through', async () => {
  await using service = await LocalDataPipeline.start()
  const { step, taskId } = await reportTo(service, {
    status: 'FAILED',
    'error-id': '\u{1f4a5}'.repeat(500),
    'error-message': 'é'.repeat(5_000),
    'error-stack-trace': '漢'.repeat(3_000),
  })
  expect(service.task(taskId).status).toBe('FAILED')
  expect(step.exitCode).toBe(0)
  expect(service.task(taskId).errorMessage).toMatch(/^é+/)
})

test('the mark of the shorter trace counts what is missing of the original, not of the first cut', async () => {
  await using service = await LocalDataPipeline.start()
  service.keepInjectingFault(refuseLongStackTraces(1024))
  const trace = 'x'.repeat(30_000)
  const { bodies } = await reportTo(service, { status: 'FAILED', 'error-stack-trace': trace })
  const sent = textOf(bodies.at(-1)?.['errorStackTrace'])
  const missing = Number(/(\d[\d,]*) characters/.exec(sent)?.[1]?.replaceAll(',', ''))
  const kept = sent.replaceAll(/[^x]/g, '').length
  expect(missing + kept).toBe(trace.length)
})

test('a shortened field never begins or ends in half of a surrogate pair', async () => {
  await using service = await LocalDataPipeline.start()
  for (const shift of ['', 'a', 'ab', 'abc']) {
    service.injectFault(refuseLongStackTraces(1024))
    const { bodies } = await reportTo(service, {
      status: 'FAILED',
      'error-message': shift + '\u{1f600}'.repeat(2_500),
      'error-stack-trace': shift + '\u{1f600}'.repeat(2_000),
    })
    for (const body of bodies) expect(Object.values(body).every((text) => textOf(text).isWellFormed())).toBe(true)
    expect(bodies).toHaveLength(2)
  }
})

test('throttling between the refusals spends no version of the fields', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(invalidRequest(), {
    kind: 'error',
    code: 'ThrottlingException',
    message: 'Rate exceeded',
    status: 400,
  })
  const { step, bodies } = await reportTo(service, LONG)
  expect(bodies).toHaveLength(3)
  expect(bodies[2]).toEqual(bodies[1])
  expect(step.warnings).toHaveLength(1)
  expect(step.exitCode).toBe(0)
})
