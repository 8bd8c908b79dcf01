import { describe, expect, test } from '@jest/globals'
import { failed, MARK, sent } from './failing.ts'
import { localEvidence, NO_TOKEN_NOTICE, report } from './reporting.ts'

/** Expects the beginning and the end of a text around a mark with the right number of missing characters. */
function expectCut(cut: string, original: string): void {
  const [head = '', tail = ''] = [cut.slice(0, MARK.exec(cut)?.index), cut.slice(cut.search(MARK)).replace(MARK, '')]
  expect(cut).toMatch(MARK)
  expect(original.startsWith(head)).toBe(true)
  expect(original.endsWith(tail)).toBe(true)
  expect(head.length).toBeGreaterThan(cut.length / 4)
  expect(tail.length).toBeGreaterThan(cut.length / 4)
  const missing = Number(MARK.exec(cut)?.[1]?.replaceAll(',', ''))
  expect(head.length + missing + tail.length).toBe(original.length)
  expect(cut.isWellFormed()).toBe(true)
}

const numbered = (length: number): string =>
  Array.from({ length: Math.ceil(length / 8) }, (_, index) => `${index} `.padStart(8, '.'))
    .join('')
    .slice(0, length - 1)
    .concat('!')

const all = (text: string) => ({ 'error-id': text, 'error-message': text, 'error-stack-trace': text })

describe('limits', () => {
  test.each([
    ['error-id', 'errorId', 1024],
    ['error-stack-trace', 'errorStackTrace', 4095],
    ['error-message', 'errorMessage', 10_240],
  ])('%s of exactly the limit is sent as it is, and one of more is cut in its middle', async (input, field, limit) => {
    const whole = await failed({ [input]: numbered(limit) })
    expect(sent(whole, field)).toBe(numbered(limit))
    expect(whole.step.warnings).toEqual([])

    const text = numbered(limit + 1)
    const reporting = await failed({ [input]: text })
    expect(sent(reporting, field).length).toBeLessThanOrEqual(limit)
    expect(sent(reporting, field).length).toBeGreaterThan(limit - 10)
    expectCut(sent(reporting, field), text)
    expect(reporting.step.warnings).toHaveLength(1)
    for (const word of [input, String(limit + 1), String(limit)]) expect(reporting.step.warnings[0]).toContain(word)
  })

  test('error-message is limited in bytes, not in characters', async () => {
    const text = `a${'漢'.repeat(10_000)}z`
    const message = sent(await failed({ 'error-message': text }), 'errorMessage')
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(10_240)
    expect(Buffer.byteLength(message)).toBeGreaterThan(10_200)
    expectCut(message, text)
  })

  test.each([0, 1])('emoji at all cuts, shifted by %i: no pair is cut in two', async (shift) => {
    const text = 'x'.repeat(shift) + '\u{1f600}'.repeat(6_000)
    const reporting = await failed(all(text))
    for (const field of ['errorId', 'errorMessage', 'errorStackTrace']) expectCut(sent(reporting, field), text)
    expect(reporting.step.warnings).toHaveLength(3)
  })

  test('inputs as large as Linux lets them be', async () => {
    const text = numbered(120 * 1024)
    const { step, bodies } = await failed({ 'error-message': text, 'error-stack-trace': text }, { as: 'process' })
    expectCut(String(bodies[0]?.['errorMessage']), text)
    expectCut(String(bodies[0]?.['errorStackTrace']), text)
    expect(step.warnings).toHaveLength(2)
    expect(step.outputs['error-message']).toBe(bodies[0]?.['errorMessage'])
  })
})

describe('characters', () => {
  // test/unit/text/sanitize.test.ts has each kind of them.
  test('whole ANSI sequences are removed, and one without an end takes nothing of the text with it', async () => {
    const text =
      'a\u001b[38:2::255:0:0mred\u001b[0m\u001b]0;title\u0007b\u001bPq#0;2\u001b\\\u001bcc\u001b]8;;x and the rest'
    const { step, bodies } = await failed({ 'error-message': text })
    expect(bodies[0]?.['errorMessage']).toBe('aredbc8;;x and the rest')
    expect(step.warnings).toEqual([expect.stringMatching(/error-message.*ANSI/)])
  })

  // The environment of a process can't hold U+0000 or lone surrogates: those come from files.
  test('control characters are removed, but not tab, CR and LF', async () => {
    const control = Array.from({ length: 31 }, (_, index) => String.fromCharCode(index + 1)).filter(
      (character) => !'\t\r\n\u001b'.includes(character),
    )
    const { step, bodies } = await failed(all(`a${control.join('')}b\tc\r\nd\u007fe\ufffef\uffffg`))
    expect(bodies[0]).toMatchObject({
      errorId: 'ab\tc\r\ndefg',
      errorMessage: 'ab\tc\r\ndefg',
      errorStackTrace: 'ab\tc\r\ndefg',
    })
    expect(step.warnings).toHaveLength(3)
    for (const warning of step.warnings) expect(warning).toContain('control character')
  })

  test('U+0000 and lone surrogates of a file are removed', async () => {
    const utf16 = Buffer.from('\ufeffa\u0000b\ud800c\udc00d\u{1f600}e', 'utf16le')
    const reporting = await failed({ 'error-stack-trace-file': 'trace' }, { files: { trace: utf16 } })
    expect(sent(reporting, 'errorStackTrace')).toMatch(/^ab\ufffd?c\ufffd?d\u{1f600}e$/u)
  })

  test('what is allowed stays: letters, emoji, U+FFFD, U+E000, joiners', async () => {
    const text = 'é漢字 \u{1f468}\u200d\u{1f469}\u200d\u{1f467} \ufffd \ue000 \ud7ff \u{10ffff} %0A 100% ::error::'
    const { step, bodies } = await failed(all(text))
    expect(bodies[0]).toMatchObject({ errorId: text, errorMessage: text, errorStackTrace: text })
    expect(step.warnings).toEqual([])
  })

  test('a text of nothing else is left out', async () => {
    const { bodies, taskId, step } = await failed({ status: 'FALSE', ...all('\u001b[0m\u0001\u0002') })
    expect(bodies[0]).toEqual({ taskId, taskStatus: 'FALSE' })
    expect(step.outputs).toMatchObject({ 'error-id': '', 'error-message': '' })
  })

  test('a text full of introducers of sequences without an end does not stop the report', async () => {
    const started = performance.now()
    await failed({ 'error-stack-trace-file': 'trace' }, { files: { trace: '\u0090x'.repeat(170_000) } })
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})

test('texts of which nothing can be sent count as not given', async () => {
  const inputs = all('\u001b[31m\u001b[0m \u0007')
  const { bodies } = await failed({ ...inputs, 'error-stack-trace-file': 'log' }, { files: { log: 'the end\n' } })
  expect(bodies[0]).toMatchObject({ ...localEvidence('given'), errorStackTrace: expect.stringContaining('the end') })
})

describe('error-id', () => {
  test.each(['Service_Timeout', ' Service_x', '\u001b[31mService_x', '\u0001Service_x'])(
    '%j gets another prefix',
    async (id) => {
      const reporting = await failed({ 'error-id': id })
      expect(sent(reporting, 'errorId')).not.toMatch(/^\s*Service_/)
      expect(sent(reporting, 'errorId')).toContain('Service_')
      expect(reporting.step.warnings.join('\n')).toContain('Service_')
      expect(reporting.step.outputs['error-id']).toBe(sent(reporting, 'errorId'))
    },
  )

  test.each(['service_x', 'MyService_x', 'Service'])('%j is not reserved', async (id) => {
    const reporting = await failed({ 'error-id': id })
    expect(sent(reporting, 'errorId')).toBe(id)
    expect(reporting.step.warnings).toEqual([])
  })

  test('of 1024 characters that begins with Service_ keeps the limit with its new prefix', async () => {
    const reporting = await failed({ 'error-id': `Service_${'x'.repeat(1016)}` })
    expect(sent(reporting, 'errorId').length).toBeLessThanOrEqual(1024)
    expect(sent(reporting, 'errorId')).not.toMatch(/^Service_/)
    expect(reporting.step.warnings).toHaveLength(2)
  })
})

describe('which statuses take them', () => {
  const inputs = { 'error-id': 'A', 'error-message': 'B', 'error-stack-trace': 'C' }

  test.each(['FAILED', 'FALSE'])('%s', async (status) => {
    const { bodies, step } = await report({ ...inputs, status })
    expect(bodies).toMatchObject([{ taskStatus: status, errorId: 'A', errorMessage: 'B', errorStackTrace: 'C' }])
    expect(step.outputs).toMatchObject({ 'error-id': 'A', 'error-message': 'B' })
    expect(step.commands).toEqual([])
  })

  const evidence = localEvidence('given')
  test.each([
    ['error-id', { 'error-id': 'A' }, { ...evidence, errorId: 'A' }, [NO_TOKEN_NOTICE]],
    ['error-message', { 'error-message': 'B' }, { ...evidence, errorMessage: 'B' }, []],
    ['error-stack-trace', { 'error-stack-trace': 'C' }, { ...evidence, errorStackTrace: 'C' }, [NO_TOKEN_NOTICE]],
  ])('FAILED with %s alone gets the others from the evidence', async (_name, given, texts, notices) => {
    const { bodies, taskId, step } = await failed(given)
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...texts }])
    expect(step.notices).toEqual(notices)
    expect(step.warnings).toEqual([])
  })

  test('FALSE gets none that was not given', async () => {
    const { bodies, taskId, step } = await report({ status: 'FALSE', 'error-id': 'A' })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FALSE', errorId: 'A' }])
    expect(step.commands).toEqual([])
  })

  test.each([
    ['given', { ...inputs, status: 'FINISHED' }],
    ['derived', inputs],
    ['given, with a file that is missing', { status: 'success', 'error-stack-trace-file': 'none' }],
  ])('not FINISHED, %s: they are left out, with a line in the log', async (_name, given) => {
    const { bodies, step, taskId } = await report(given)
    expect(bodies).toEqual([{ taskId, taskStatus: 'FINISHED' }])
    expect(step.stdout).toMatch(/omitted, because the status is FINISHED/)
    expect(step.warnings).toEqual([])
    expect(step.outputs).toMatchObject({ 'error-id': '', 'error-message': '' })
    expect(step.exitCode).toBe(0)
  })

  test('FINISHED without error inputs says nothing of them', async () => {
    const { step } = await report({ status: 'FINISHED' })
    expect(step.stdout).not.toContain('omitted')
  })
})
