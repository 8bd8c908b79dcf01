// Texts of megabytes, including hostile ones, must not delay a report: the time is linear in the length.
import { describe, expect, test } from '@jest/globals'
import { excerptOf } from '../../src/evidence/log-excerpt.ts'
import { withoutCommands } from '../../src/github/log.ts'
import { errorMessage } from '../../src/masking/error-message.ts'
import { formatValue } from '../../src/masking/format.ts'
import { beginWithSecrets, hideTexts, withoutSecrets } from '../../src/masking/known-secrets.ts'
import { valuesToMask } from '../../src/polling/encrypted-fields.ts'
import { fittingOutputs, sizeOfTask } from '../../src/polling/task-outputs.ts'
import { OutputTail } from '../../src/task-runner/output-tail.ts'
import { redact } from '../../src/text/redact.ts'
import { sanitize } from '../../src/text/sanitize.ts'

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
const TOKEN = `FwoGZXIvYXdzE${'aB3+/dEf'.repeat(40)}==`

/** A piece repeated to a length in characters. */
function repeated(piece: string, length: number): string {
  return piece.repeat(Math.ceil(length / piece.length))
}

/** The minimum CPU time of three runs in milliseconds, which does not depend on other processes. */
function cpuMsOf(work: () => unknown): number {
  const times = [1, 2, 3].map(() => {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  })
  return Math.min(...times)
}

/** Four times the length takes four times the time. Quadratic work would take sixteen times, and more than the limit. */
function expectLinear(makeWork: (length: number) => () => unknown, length: number): void {
  const [short, long] = [makeWork(length), makeWork(4 * length)]
  short()
  // Either includes some milliseconds of garbage collection.
  expect((cpuMsOf(long) + 1) / (cpuMsOf(short) + 10)).toBeLessThan(9)
}

describe('redact', () => {
  test.each([
    ['words', 'A line of a log, as they are.\n', [SECRET, TOKEN]],
    ['secrets', TOKEN, [TOKEN]],
    ['the start of a secret', TOKEN.slice(0, 11), [TOKEN, SECRET]],
    ['escapes', '%41\\u0041&#65;', [SECRET]],
    ['escapes of escapes', '%25252541', [SECRET]],
    ['colors', '\u001b[31mx', [SECRET]],
    ['one character', 'a', ['a'.repeat(1_000), 'aaaaaaX'.repeat(150), `${'a'.repeat(600)}b`]],
    ['two characters', 'ab', ['ab'.repeat(500), 'aab'.repeat(300)]],
    ['many secrets', 'secret-1/secret-2', Array.from({ length: 200 }, (_, index) => `secret-${index}`.repeat(50))],
  ])('%s', (_name, piece, secrets) => {
    expectLinear((length) => {
      const text = repeated(piece, length)
      return () => redact(text, secrets)
    }, 100_000)
  })
})

describe('sanitize', () => {
  test.each([
    ['string introducers, 8 bits', '\u0090x'],
    ['string introducers, 7 bits', '\u001bPx'],
    ['OSC', '\u009d'],
    ['CSI', '\u009b'],
    ['CSI with parameters', '\u001b[0;0;0'],
    ['escapes', '\u001b'],
    ['escapes with intermediates', '\u001b    '],
    ['lone surrogates', '\ud800'],
    ['strings that begin in each other', '\u009d\u001b]'],
    ['terminators', '\u009c\u0007'],
  ])('%s', (_name, piece) => {
    expectLinear((length) => {
      const text = repeated(piece, length)
      return () => sanitize(text)
    }, 200_000)
  })
})

// Heartbeats wait meanwhile.
test.each(['x', 'x\r', '\r', '\n', '\u001b[0m'])('the end of an output: %j', (piece) => {
  expectLinear((length) => {
    const tail = new OutputTail()
    tail.add(Buffer.from(repeated(piece, length)))
    return () => tail.text()
  }, 16_000)
})

test.each(['\n', '\n ', '\r', ' ', ':', '#', '##[', '\u0085'])('withoutCommands: %j', (piece) => {
  expectLinear((length) => {
    const text = repeated(piece, length)
    return () => withoutCommands(text)
  }, 200_000)
})

describe('excerptOf', () => {
  const STEP = {
    name: 'a',
    startedAt: Date.parse('2026-01-02T03:04:05Z'),
    completedAt: Date.parse('2026-01-02T03:04:06Z'),
  }

  test.each([
    '##[error]\n',
    '##[group]Run \n',
    '##[group]Run x\n##[endgroup]\n',
    '##[group]Run x\n',
    '\n',
    'x\n',
    '\u001b[',
    '2026-01-02T03:04:05Z ',
    '2026-01-02T03:04:05Z ##[error]x\n',
  ])('%j', (piece) => {
    expectLinear((length) => {
      const log = `2026-01-02T03:04:05.5Z begin\n${repeated(piece, length)}`
      return () => [excerptOf(log, { failed: STEP, all: [STEP] }), excerptOf(log, undefined)]
    }, 64 * 1024)
  })
})

describe('what is shown', () => {
  test.each([
    ['white space', ' '],
    ['line ends', '\n'],
    ['escapes', '\u001b[31m'],
    ['secrets', SECRET],
  ])('of a huge text of %s does not depend on its length', (_name, piece) => {
    beginWithSecrets([SECRET])
    const [short, long] = [repeated(piece, 1_000_000), repeated(piece, 15_000_000)]
    const show = (text: string) => () => [formatValue(text), errorMessage(new Error(text))]
    expect((cpuMsOf(show(long)) + 1) / (cpuMsOf(show(short)) + 10)).toBeLessThan(5)
  })
})

describe('masked texts', () => {
  test('that repeat themselves', () => {
    beginWithSecrets([])
    hideTexts(['abab'.repeat(1_000)])
    expectLinear((length) => {
      const text = repeated('abab', length)
      return () => withoutSecrets(text)
    }, 250_000)
  })

  test('of which thousands start and end alike', () => {
    expectLinear((count) => {
      const values = Array.from({ length: count }, (_, index) => `https://bucket/${index}/key`)
      const text = `${'https://bucket/'.repeat(count)} ${values.at(-1)}.`
      return () => {
        beginWithSecrets([])
        hideTexts(values)
        return withoutSecrets(text)
      }
    }, 5_000)
  })
})

test('a task of very many fields: its size, its outputs and its masked values', () => {
  expectLinear((count) => {
    const field = (key: string) => (_: unknown, index: number) => ({ key, stringValue: `sesame-${index}` })
    const attempt = { id: 'a', name: 'a', fields: Array.from({ length: count }, field('x')) }
    const encrypted = Array.from({ length: count }, field('*x'))
    const task = { taskId: 't', pipelineId: 'p', attemptId: 'a', objects: { a: attempt }, encrypted }
    return () => [sizeOfTask(task), fittingOutputs([task]), valuesToMask(task)]
  }, 50_000)
})
