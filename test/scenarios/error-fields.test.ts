import { mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { preloading } from '../support/preload.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { localEvidence, NO_TOKEN_NOTICE, type Reporting, type ReportingOptions, report } from './reporting.ts'

const MARK = /\n?\[\.\.\. ?([\d,]+) characters[^\]]*\]\n?/

/** Reports FAILED with these inputs, and expects that it arrives at the first try. */
async function failed(inputs: Record<string, string>, options: ReportingOptions = {}): Promise<Reporting> {
  const reporting = await report({ status: 'FAILED', ...inputs }, options)
  expect(reporting.step.errors).toEqual([])
  expect(reporting.bodies).toHaveLength(1)
  expect(reporting.step.exitCode).toBe(0)
  expect(reporting.step.outputs['reported']).toBe('true')
  return reporting
}

function sent(reporting: Reporting, field: string): string {
  return String(reporting.bodies[0]?.[field] ?? '')
}

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

describe('limits', () => {
  test.concurrent.each([
    ['error-id', 'errorId', 1024],
    ['error-stack-trace', 'errorStackTrace', 4095],
    ['error-message', 'errorMessage', 10_240],
  ])('%s of exactly the limit is sent as it is', async (input, field, limit) => {
    const text = numbered(limit)
    const reporting = await failed({ [input]: text })
    expect(sent(reporting, field)).toBe(text)
    expect(reporting.step.warnings).toEqual([])
  })

  test.concurrent.each([
    ['error-id', 'errorId', 1024],
    ['error-stack-trace', 'errorStackTrace', 4095],
    ['error-message', 'errorMessage', 10_240],
  ])('%s of one more is cut in its middle, with one warning', async (input, field, limit) => {
    const text = numbered(limit + 1)
    const reporting = await failed({ [input]: text })
    expect(sent(reporting, field).length).toBeLessThanOrEqual(limit)
    expect(sent(reporting, field).length).toBeGreaterThan(limit - 10)
    expectCut(sent(reporting, field), text)
    expect(reporting.step.warnings).toHaveLength(1)
    expect(reporting.step.warnings[0]).toContain(input)
    expect(reporting.step.warnings[0]).toContain(String(limit + 1))
    expect(reporting.step.warnings[0]).toContain(String(limit))
  })

  test.concurrent('error-message is limited in bytes, not in characters', async () => {
    const text = `a${'漢'.repeat(10_000)}z`
    const message = sent(await failed({ 'error-message': text }), 'errorMessage')
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(10_240)
    expect(Buffer.byteLength(message)).toBeGreaterThan(10_200)
    expectCut(message, text)
  })

  test.concurrent('error-stack-trace of CJK text keeps 4095 characters and 10,240 bytes', async () => {
    const trace = sent(await failed({ 'error-stack-trace': '漢'.repeat(5_000) }), 'errorStackTrace')
    expect(trace.length).toBeLessThanOrEqual(4095)
    expect(Buffer.byteLength(trace)).toBeLessThanOrEqual(10_240)
  })

  test.concurrent.each([0, 1, 2, 3])('emoji at both cuts, shifted by %i: no pair is cut in two', async (shift) => {
    const text = 'x'.repeat(shift) + '\u{1f600}'.repeat(6_000)
    for (const [input, field] of [
      ['error-id', 'errorId'],
      ['error-message', 'errorMessage'],
      ['error-stack-trace', 'errorStackTrace'],
    ] as const) {
      const reporting = await failed({ [input]: text })
      expectCut(sent(reporting, field), text)
      expect(reporting.step.warnings).toHaveLength(1)
    }
  })

  test.concurrent('inputs as large as Linux lets them be', async () => {
    const text = numbered(120 * 1024)
    const { step, bodies } = await failed({ 'error-message': text, 'error-stack-trace': text })
    expectCut(String(bodies[0]?.['errorMessage']), text)
    expectCut(String(bodies[0]?.['errorStackTrace']), text)
    expect(step.warnings).toHaveLength(2)
    expect(step.outputs['error-message']).toBe(bodies[0]?.['errorMessage'])
  })

  test.concurrent('the trace says what happened first and last', async () => {
    const trace = `java.lang.IllegalStateException: first\n${'\tat Foo.bar(Foo.java:1)\n'.repeat(1000)}Caused by: last`
    const reporting = await failed({ 'error-stack-trace': trace })
    expect(sent(reporting, 'errorStackTrace')).toMatch(/^java.lang.IllegalStateException: first\n.*Caused by: last$/s)
  })
})

describe('characters', () => {
  const all = (text: string) => ({ 'error-id': text, 'error-message': text, 'error-stack-trace': text })

  test.concurrent.each([
    ['colour', 'a\u001b[1;31mred\u001b[0mb', 'aredb'],
    ['cursor', 'a\u001b[2K\u001b[1G\u001b[?25lb', 'ab'],
    ['a link with BEL', 'see \u001b]8;;https://example.com/x?y=1\u0007here\u001b]8;;\u0007!', 'see here!'],
    ['a link with ST', 'see \u001b]8;;https://example.com\u001b\\here\u001b]8;;\u001b\\!', 'see here!'],
    ['a window title', '\u001b]0;title\u0007text', 'text'],
    ['8-bit colour', 'a\u009b31mred\u009b0mb', 'aredb'],
    ['a character set', 'a\u001b(Bb', 'ab'],
    ['24-bit colour with colons', 'a\u001b[38:2::255:0:0mb', 'ab'],
    ['a device control string', 'a\u001bPq#0;2;0;0;0\u001b\\b', 'ab'],
    ['a reset', 'a\u001bcb', 'ab'],
  ])('whole ANSI sequences are removed: %s', async (_name, text, clean) => {
    const { step, bodies } = await failed({ 'error-message': text })
    expect(bodies[0]?.['errorMessage']).toBe(clean)
    expect(step.warnings).toHaveLength(1)
    expect(step.warnings[0]).toContain('error-message')
    expect(step.warnings[0]).toContain('ANSI')
  })

  test.concurrent('an escape sequence without an end takes nothing of the text with it', async () => {
    const { bodies } = await failed({ 'error-message': 'begin \u001b]8;;https://example.com and the rest' })
    expect(bodies[0]?.['errorMessage']).toContain('and the rest')
  })

  // The environment of a process can't hold U+0000 or lone surrogates: those come from files.
  test.concurrent('control characters are removed, but not tab, CR and LF', async () => {
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

  test.concurrent('U+0000 and lone surrogates of a file are removed', async () => {
    const utf16 = Buffer.from('\ufeffa\u0000b\ud800c\udc00d\u{1f600}e', 'utf16le')
    const reporting = await failed({ 'error-stack-trace-file': 'trace' }, { files: { trace: utf16 } })
    expect(sent(reporting, 'errorStackTrace')).toMatch(/^ab\ufffd?c\ufffd?d\u{1f600}e$/u)
  })

  test.concurrent('what is allowed stays: letters, emoji, U+FFFD, U+E000, joiners', async () => {
    const text = 'é漢字 \u{1f468}\u200d\u{1f469}\u200d\u{1f467} \ufffd \ue000 \ud7ff \u{10ffff} %0A 100% ::error::'
    const { step, bodies } = await failed(all(text))
    expect(bodies[0]).toMatchObject({ errorId: text, errorMessage: text, errorStackTrace: text })
    expect(step.warnings).toEqual([])
  })

  test.concurrent('a text of nothing else is left out', async () => {
    const { bodies, taskId, step } = await failed({ status: 'FALSE', ...all('\u001b[0m\u0001\u0002') })
    expect(bodies[0]).toEqual({ taskId, taskStatus: 'FALSE' })
    expect(step.outputs).toMatchObject({ 'error-id': '', 'error-message': '' })
  })

  test.concurrent('a text full of introducers of sequences without an end does not stop the report', async () => {
    const { step } = await failed(
      { 'error-stack-trace-file': 'trace' },
      { files: { trace: '\u0090x'.repeat(170_000) } },
    )
    expect(step.tookMs).toBeLessThan(10_000)
  })
})

test('texts of which nothing can be sent count as not given', async () => {
  const nothing = '\u001b[31m\u001b[0m \u0007'
  const inputs = { 'error-id': nothing, 'error-message': nothing, 'error-stack-trace': nothing }
  const { bodies } = await failed({ ...inputs, 'error-stack-trace-file': 'log' }, { files: { log: 'the end\n' } })
  expect(bodies[0]).toMatchObject({ ...localEvidence('given'), errorStackTrace: expect.stringContaining('the end') })
})

describe('error-id', () => {
  test.concurrent.each([
    'Service_Timeout',
    'Service_',
    ' Service_x',
    '\u001b[31mService_x',
    '\u0001Service_x',
    '\u0000Service_x'.slice(1),
  ])('%j gets another prefix', async (id) => {
    const reporting = await failed({ 'error-id': id })
    expect(sent(reporting, 'errorId')).not.toMatch(/^\s*Service_/)
    expect(sent(reporting, 'errorId')).toContain('Service_')
    expect(reporting.step.warnings.join('\n')).toContain('Service_')
    expect(reporting.step.outputs['error-id']).toBe(sent(reporting, 'errorId'))
  })

  test.concurrent.each(['service_x', 'MyService_x', 'Service', 'Servicex'])('%j is not reserved', async (id) => {
    const reporting = await failed({ 'error-id': id })
    expect(sent(reporting, 'errorId')).toBe(id)
    expect(reporting.step.warnings).toEqual([])
  })

  test.concurrent('of 1024 characters that begins with Service_ keeps the limit with its new prefix', async () => {
    const reporting = await failed({ 'error-id': `Service_${'x'.repeat(1016)}` })
    expect(sent(reporting, 'errorId').length).toBeLessThanOrEqual(1024)
    expect(sent(reporting, 'errorId')).not.toMatch(/^Service_/)
    expect(reporting.step.warnings).toHaveLength(2)
  })
})

describe('which statuses take them', () => {
  const inputs = { 'error-id': 'A', 'error-message': 'B', 'error-stack-trace': 'C' }

  test.concurrent.each(['FAILED', 'FALSE'])('%s', async (status) => {
    const { bodies, step } = await report({ ...inputs, status })
    expect(bodies).toMatchObject([{ taskStatus: status, errorId: 'A', errorMessage: 'B', errorStackTrace: 'C' }])
    expect(step.outputs).toMatchObject({ 'error-id': 'A', 'error-message': 'B' })
    expect(step.commands).toEqual([])
  })

  const evidence = localEvidence('given')
  test.concurrent.each([
    ['error-id', { 'error-id': 'A' }, { ...evidence, errorId: 'A' }, [NO_TOKEN_NOTICE]],
    ['error-message', { 'error-message': 'B' }, { ...evidence, errorMessage: 'B' }, []],
    ['error-stack-trace', { 'error-stack-trace': 'C' }, { ...evidence, errorStackTrace: 'C' }, [NO_TOKEN_NOTICE]],
  ])('FAILED with %s alone gets the others from the evidence', async (_name, given, texts, notices) => {
    const { bodies, taskId, step } = await failed(given)
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...texts }])
    expect(step.notices).toEqual(notices)
    expect(step.warnings).toEqual([])
  })

  test.concurrent('FALSE gets none that was not given', async () => {
    const { bodies, taskId, step } = await report({ status: 'FALSE', 'error-id': 'A' })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FALSE', errorId: 'A' }])
    expect(step.commands).toEqual([])
  })

  test.concurrent.each([
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

  test.concurrent('FINISHED without error inputs says nothing of them', async () => {
    const { step } = await report({ status: 'FINISHED' })
    expect(step.stdout).not.toContain('omitted')
  })
})

describe('error-stack-trace-file', () => {
  test.concurrent('relative to the workspace', async () => {
    const reporting = await failed(
      { 'error-stack-trace-file': 'build.log' },
      { files: { 'build.log': 'line 1\r\nline 2\n' } },
    )
    expect(sent(reporting, 'errorStackTrace')).toMatch(/^line 1\r\nline 2\n?$/)
    expect(reporting.step.warnings).toEqual([])
  })

  test.concurrent('absolute', async () => {
    await inFolder(async (folder) => {
      writeFileSync(join(folder, 'a trace.log'), 'absolute')
      const reporting = await failed({ 'error-stack-trace-file': join(folder, 'a trace.log') })
      expect(sent(reporting, 'errorStackTrace')).toBe('absolute')
    })
  })

  test.concurrent('relative to the working directory when there is no GITHUB_WORKSPACE', async () => {
    const reporting = await failed(
      { 'error-stack-trace-file': 'trace' },
      { files: { trace: 'here' }, env: { GITHUB_WORKSPACE: undefined } },
    )
    expect(sent(reporting, 'errorStackTrace')).toBe('here')
  })

  test.concurrent.each([
    ['missing', 'none.log'],
    ['a directory', '.'],
    ['a path through a file', 'file/x'],
    ['a name that is too long', 'x'.repeat(5_000)],
    ['a device', '/dev/zero'],
  ])('%s: a warning, and a report without it', async (_name, path) => {
    const reporting = await failed({ 'error-message': 'why', 'error-stack-trace-file': path }, { files: { file: '' } })
    expect(reporting.bodies[0]).toEqual({
      taskId: reporting.taskId,
      taskStatus: 'FAILED',
      errorId: localEvidence('given').errorId,
      errorMessage: 'why',
    })
    expect(reporting.step.notices).toEqual([])
    expect(reporting.step.warnings).toHaveLength(1)
    expect(reporting.step.warnings[0]).toContain('error-stack-trace-file')
    expect(reporting.step.warnings[0]).toContain(path.slice(0, 40))
  })

  const onPosix = (process.platform === 'win32' ? test.skip : test.concurrent) as typeof test.concurrent

  const unlessSuperuser = process.getuid?.() === 0 ? test.skip : onPosix

  unlessSuperuser('a file that may not be read (the superuser may read all)', async () => {
    await inFolder(async (folder) => {
      writeFileSync(join(folder, 'secret'), 'x', { mode: 0 })
      const reporting = await failed({ 'error-stack-trace-file': join(folder, 'secret') })
      expect(reporting.step.warnings).toHaveLength(1)
    })
  })

  test.concurrent('empty: nothing is sent, and nothing is said but perhaps that', async () => {
    const reporting = await failed({ 'error-stack-trace-file': 'empty' }, { files: { empty: '' } })
    const { bodies, taskId } = reporting
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('given') }])
    expect(reporting.step.warnings).toEqual([])
  })

  test.concurrent('of 200 MB: its beginning and its end are sent, and the mark counts the rest', async () => {
    await inFolder(async (folder) => {
      const size = 200 * 1024 * 1024
      const file = join(folder, 'huge.log')
      writeFileSync(file, `FIRST ${'a'.repeat(300_000)}`)
      truncateSync(file, size)
      writeFileSync(file, `${'b'.repeat(300_000)} LAST`, { flag: 'a' })
      const reporting = await failed({ 'error-stack-trace-file': file })
      const trace = sent(reporting, 'errorStackTrace')
      expect(trace).toMatch(/^FIRST a+/)
      expect(trace).toMatch(/b+ LAST$/)
      expect(trace.length).toBeLessThanOrEqual(4095)
      expect(Number(MARK.exec(trace)?.[1]?.replaceAll(',', ''))).toBeGreaterThan(size - 10_000)
      expect(reporting.step.warnings).toHaveLength(1)
      expect(reporting.step.tookMs).toBeLessThan(10_000)
    })
  })

  // Sparse: they take no room.
  test.concurrent.each([2.1, 5])('of %d GiB: its beginning and its end are sent', async (gibibytes) => {
    await inFolder(async (folder) => {
      const file = join(folder, 'huge.log')
      writeFileSync(file, `FIRST ${'a'.repeat(300_000)}`)
      truncateSync(file, Math.floor(gibibytes * 2 ** 30))
      writeFileSync(file, `${'b'.repeat(300_000)} LAST`, { flag: 'a' })
      const reporting = await failed({ 'error-stack-trace-file': file })
      const trace = sent(reporting, 'errorStackTrace')
      expect(trace).toMatch(/^FIRST a+/)
      expect(trace).toMatch(/b+ LAST$/)
      const missing = Number(MARK.exec(trace)?.[1]?.replaceAll(',', ''))
      expect(missing + trace.replace(MARK, '').length).toBe(statSync(file).size)
    })
  })

  test.concurrent('of 2 MB of UTF-16: the mark counts characters, not bytes', async () => {
    const text = `\ufeff${'x'.repeat(1_000_000)}`
    const reporting = await failed(
      { 'error-stack-trace-file': 'trace' },
      { files: { trace: Buffer.from(text, 'utf16le') } },
    )
    const trace = sent(reporting, 'errorStackTrace')
    const missing = Number(MARK.exec(trace)?.[1]?.replaceAll(',', ''))
    expect(missing + trace.replace(MARK, '').length).toBe(1_000_000)
  })

  test.concurrent('of 700 kB of three-byte characters: no broken character where the file was cut', async () => {
    const text = `x${'漢'.repeat(233_333)}`
    const reporting = await failed({ 'error-stack-trace-file': 'trace' }, { files: { trace: text } })
    expect(sent(reporting, 'errorStackTrace')).not.toContain('\ufffd')
  })

  test.concurrent.each([
    [
      'UTF-16 with a byte order mark, as Windows PowerShell writes',
      Buffer.from('\ufeffFehler: größer 漢\r\nEnde', 'utf16le'),
    ],
    ['big-endian UTF-16', Buffer.from('\ufeffFehler: größer 漢\r\nEnde', 'utf16le').swap16()],
    ['UTF-8 with a byte order mark', Buffer.from('\ufeffFehler: größer 漢\r\nEnde')],
  ])('%s', async (_name, bytes) => {
    const reporting = await failed({ 'error-stack-trace-file': 'trace' }, { files: { trace: bytes } })
    expect(sent(reporting, 'errorStackTrace')).toBe('Fehler: größer 漢\r\nEnde')
  })

  test.concurrent('not UTF-8: what can be read is sent', async () => {
    const reporting = await failed(
      { 'error-stack-trace-file': 'trace' },
      { files: { trace: Buffer.from('gr\xf6\xdfer ok', 'latin1') } },
    )
    expect(sent(reporting, 'errorStackTrace')).toMatch(/^gr.*er ok$/)
  })

  test.concurrent('a binary file does not stop the report', async () => {
    const bytes = Uint8Array.from({ length: 50_000 }, (_, index) => (index * 7919) % 256)
    const reporting = await failed({ 'error-stack-trace-file': 'trace' }, { files: { trace: bytes } })
    expect(sent(reporting, 'errorStackTrace').length).toBeLessThanOrEqual(4095)
  })

  test.concurrent('error-stack-trace goes before it, and the log says so', async () => {
    const reporting = await failed(
      { 'error-stack-trace': 'input', 'error-stack-trace-file': 'trace' },
      { files: { trace: 'file' } },
    )
    expect(sent(reporting, 'errorStackTrace')).toBe('input')
    expect(reporting.step.stdout).toContain('error-stack-trace-file')
  })
})

const onPosix = process.platform === 'win32' ? describe.skip : describe

/** Elsewhere than on Linux the system does not tell the path of an open file. */
const NO_PROC = `import fs from 'node:fs'
  import { syncBuiltinESMExports } from 'node:module'
  fs.promises.readlink = async () => { throw new Error('ENOENT') }
  syncBuiltinESMExports()`

onPosix.each([
  ['', []],
  [', on a system without /proc', [NO_PROC]],
])('error-stack-trace-file that leads out of the workspace%s', (_system, modules) => {
  /** Makes a workspace, a temporary folder of the runner, and a folder elsewhere, with a file "log" in each. */
  async function inPlaces(work: (places: Places, env: Record<string, string>) => Promise<void>): Promise<void> {
    await inFolder(async (root) => {
      // The path of a workspace may itself be a link, as that of a disk of its own.
      symlinkSync(join(root, 'disk'), join(root, 'work'))
      const places = { workspace: join(root, 'work', 'repo'), temp: join(root, 'temp'), elsewhere: join(root, 'else') }
      mkdirSync(join(root, 'disk'))
      for (const [name, folder] of Object.entries(places)) {
        mkdirSync(folder)
        writeFileSync(join(folder, 'log'), name)
      }
      const env = { GITHUB_WORKSPACE: places.workspace, RUNNER_TEMP: places.temp }
      await work(places, modules.length > 0 ? { ...env, ...preloading(...modules) } : env)
    })
  }

  interface Places {
    readonly workspace: string
    readonly temp: string
    readonly elsewhere: string
  }

  const link = (target: string, path: string): string => {
    symlinkSync(target, path)
    return path
  }

  test.concurrent.each<[string, string, (places: Places) => unknown]>([
    ['a link', 'link', ({ workspace, elsewhere }) => link(join(elsewhere, 'log'), join(workspace, 'link'))],
    ['a link in a folder', 'dir/log', ({ workspace, elsewhere }) => link(elsewhere, join(workspace, 'dir'))],
    [
      'a link to a link',
      'first',
      ({ workspace, elsewhere }) => {
        link(join(elsewhere, 'log'), join(workspace, 'second'))
        link('second', join(workspace, 'first'))
      },
    ],
    ['two dots', '../../else/log', () => undefined],
    // As ${{ github.workspace }}/link.
    [
      'a link in the workspace, of which the absolute path is given',
      '',
      ({ workspace, elsewhere }) => link(join(elsewhere, 'log'), join(workspace, 'link')),
    ],
  ])('by %s: a warning that says where to, and a report without it', async (_name, path, make) => {
    await inPlaces(async (places, env) => {
      const made = make(places)
      const reporting = await failed({ 'error-stack-trace-file': path || String(made) }, { env })
      expect(sent(reporting, 'errorStackTrace')).toBe('')
      expect(reporting.step.warnings).toHaveLength(1)
      expect(reporting.step.warnings[0]).toMatch(/outside of the workspace.*else\/log.*absolute path.*no stack trace/)
    })
  })

  test.concurrent('by a link that is a file again when it is looked at', async () => {
    await inPlaces(async ({ workspace, elsewhere }, env) => {
      const path = link(join(elsewhere, 'log'), join(workspace, 'swapped'))
      const swap = `import fs from 'node:fs'
        import { syncBuiltinESMExports } from 'node:module'
        const { open } = fs.promises
        fs.promises.open = async (path, ...rest) => {
          const file = await open(path, ...rest)
          if (path.endsWith('swapped')) {
            fs.rmSync(${JSON.stringify(path)})
            fs.writeFileSync(${JSON.stringify(path)}, 'harmless')
          }
          return file
        }
        syncBuiltinESMExports()`
      const reporting = await failed(
        { 'error-stack-trace-file': 'swapped' },
        { env: { ...env, ...preloading(...modules, swap) } },
      )
      expect(sent(reporting, 'errorStackTrace')).toBe('')
      expect(reporting.step.warnings).toHaveLength(1)
    })
  })

  test.concurrent.each<[string, (places: Places) => string, string]>([
    [
      'a link within the workspace',
      ({ workspace }) => {
        link(join(workspace, 'log'), join(workspace, 'link'))
        return 'link'
      },
      'workspace',
    ],
    [
      'a link into the temporary folder of the runner',
      ({ workspace, temp }) => {
        link(join(temp, 'log'), join(workspace, 'link'))
        return 'link'
      },
      'temp',
    ],
    ['two dots into the temporary folder of the runner', () => '../../temp/log', 'temp'],
    ['a name that begins with two dots', ({ workspace }) => named(workspace, '..log'), 'dots'],
    ['an absolute path of a file elsewhere', ({ elsewhere }) => join(elsewhere, 'log'), 'elsewhere'],
    [
      'an absolute path of a link elsewhere',
      ({ temp, elsewhere }) => link(join(temp, 'log'), join(elsewhere, 'link')),
      'temp',
    ],
    ['an absolute path in the workspace', ({ workspace }) => join(workspace, 'log'), 'workspace'],
  ])('%s is read', async (_name, path, text) => {
    await inPlaces(async (places, env) => {
      const reporting = await failed({ 'error-stack-trace-file': path(places) }, { env })
      expect(sent(reporting, 'errorStackTrace')).toBe(text)
      expect(reporting.step.warnings).toEqual([])
    })
  })

  function named(folder: string, name: string): string {
    writeFileSync(join(folder, name), 'dots')
    return name
  }
})
