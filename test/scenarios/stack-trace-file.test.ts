import { mkdirSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { inFolder } from '../support/temporary-folder.ts'

const fs = await import('node:fs/promises')

const PLAIN = { hasProc: true, whenOpened: (_path: unknown): void => {} }
/** How the system of the called steps differs from this one. */
const files = { ...PLAIN }

jest.unstable_mockModule('node:fs/promises', () => ({
  ...fs,
  // Elsewhere than on Linux the system does not tell the path of an open file.
  readlink: async (path: string) => {
    if (!files.hasProc) throw new Error('ENOENT')
    return await fs.readlink(path)
  },
  open: async (...args: Parameters<typeof fs.open>) => {
    const file = await fs.open(...args)
    files.whenOpened(args[0])
    return file
  },
}))

const { localEvidence } = await import('./reporting.ts')
const { failed, MARK, sent } = await import('./failing.ts')

/** How many characters are not in a text that was cut, as it says. */
function missingIn(cut: string): number {
  return Number(MARK.exec(cut)?.[1]?.replaceAll(',', ''))
}

test.concurrent('by the built action: an absolute path, and one that is not there', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'a trace.log')
    const before = await failed({ 'error-stack-trace-file': path }, { as: 'process' })
    expect(before.step.warnings).toEqual([expect.stringMatching(/can't be read: ENOENT: no such file/)])
    writeFileSync(path, 'absolute')
    const reporting = await failed({ 'error-stack-trace-file': path }, { as: 'process' })
    expect(sent(reporting, 'errorStackTrace')).toBe('absolute')
  })
})

describe('error-stack-trace-file', () => {
  test('relative to the workspace', async () => {
    const reporting = await failed(
      { 'error-stack-trace-file': 'build.log' },
      { files: { 'build.log': 'line 1\r\nline 2\n' } },
    )
    expect(sent(reporting, 'errorStackTrace')).toMatch(/^line 1\r\nline 2\n?$/)
    expect(reporting.step.warnings).toEqual([])
  })

  test.concurrent('relative to the working directory when there is no GITHUB_WORKSPACE', async () => {
    const reporting = await failed(
      { 'error-stack-trace-file': 'trace' },
      { as: 'process', files: { trace: 'here' }, env: { GITHUB_WORKSPACE: undefined } },
    )
    expect(sent(reporting, 'errorStackTrace')).toBe('here')
  })

  test.each([
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

  const unlessSuperuser = process.platform === 'win32' || process.getuid?.() === 0 ? test.skip : test

  unlessSuperuser('a file that may not be read (the superuser may read all)', async () => {
    await inFolder(async (folder) => {
      writeFileSync(join(folder, 'secret'), 'x', { mode: 0 })
      const reporting = await failed({ 'error-stack-trace-file': join(folder, 'secret') })
      expect(reporting.step.warnings).toHaveLength(1)
    })
  })

  test('empty: nothing is sent, and nothing is said but perhaps that', async () => {
    const reporting = await failed({ 'error-stack-trace-file': 'empty' }, { files: { empty: '' } })
    const { bodies, taskId } = reporting
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('given') }])
    expect(reporting.step.warnings).toEqual([])
  })

  // Sparse: they take no room.
  test.each([0.2, 2.1, 5])(
    'of %d GiB: its beginning and its end are sent, and the mark counts the rest',
    async (gibibytes) => {
      await inFolder(async (folder) => {
        const file = join(folder, 'huge.log')
        writeFileSync(file, `FIRST ${'a'.repeat(300_000)}`)
        truncateSync(file, Math.floor(gibibytes * 2 ** 30))
        writeFileSync(file, `${'b'.repeat(300_000)} LAST`, { flag: 'a' })
        const started = performance.now()
        const reporting = await failed({ 'error-stack-trace-file': file })
        expect(performance.now() - started).toBeLessThan(10_000)
        const trace = sent(reporting, 'errorStackTrace')
        expect(trace).toMatch(/^FIRST a+/)
        expect(trace).toMatch(/b+ LAST$/)
        expect(trace.length).toBeLessThanOrEqual(4095)
        expect(missingIn(trace) + trace.replace(MARK, '').length).toBe(statSync(file).size)
        expect(reporting.step.warnings).toHaveLength(1)
      })
    },
  )

  test('of 2 MB of UTF-16: the mark counts characters, not bytes', async () => {
    const text = `\ufeff${'x'.repeat(1_000_000)}`
    const reporting = await failed(
      { 'error-stack-trace-file': 'trace' },
      { files: { trace: Buffer.from(text, 'utf16le') } },
    )
    const trace = sent(reporting, 'errorStackTrace')
    expect(missingIn(trace) + trace.replace(MARK, '').length).toBe(1_000_000)
  })

  test('of 700 kB of three-byte characters: no broken character where the file was cut', async () => {
    const text = `x${'漢'.repeat(233_333)}`
    const reporting = await failed({ 'error-stack-trace-file': 'trace' }, { files: { trace: text } })
    expect(sent(reporting, 'errorStackTrace')).not.toContain('\ufffd')
  })

  test.each([
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

  test('not UTF-8: what can be read is sent', async () => {
    const reporting = await failed(
      { 'error-stack-trace-file': 'trace' },
      { files: { trace: Buffer.from('gr\xf6\xdfer ok', 'latin1') } },
    )
    expect(sent(reporting, 'errorStackTrace')).toMatch(/^gr.*er ok$/)
  })

  test('error-stack-trace goes before it, and the log says so', async () => {
    const reporting = await failed(
      { 'error-stack-trace': 'input', 'error-stack-trace-file': 'trace' },
      { files: { trace: 'file' } },
    )
    expect(sent(reporting, 'errorStackTrace')).toBe('input')
    expect(reporting.step.stdout).toContain('error-stack-trace-file')
  })
})

const onPosix = process.platform === 'win32' ? describe.skip : describe

onPosix.each([
  ['', true],
  [', on a system without /proc', false],
])('error-stack-trace-file that leads out of the workspace%s', (_system, hasProc) => {
  beforeEach(() => {
    files.hasProc = hasProc
  })
  afterEach(() => {
    Object.assign(files, PLAIN)
  })

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
      await work(places, { GITHUB_WORKSPACE: places.workspace, RUNNER_TEMP: places.temp })
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

  test.each<[string, string, (places: Places) => unknown]>([
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

  test('by a link that is a file again when it is looked at', async () => {
    await inPlaces(async ({ workspace, elsewhere }, env) => {
      const path = link(join(elsewhere, 'log'), join(workspace, 'swapped'))
      files.whenOpened = (opened) => {
        if (opened !== path) return
        rmSync(path)
        writeFileSync(path, 'harmless')
      }
      const reporting = await failed({ 'error-stack-trace-file': 'swapped' }, { env })
      expect(sent(reporting, 'errorStackTrace')).toBe('')
      const why = hasProc ? /outside of the workspace/ : /it was replaced while it was opened/
      expect(reporting.step.warnings).toEqual([expect.stringMatching(why)])
    })
  })

  test.each<[string, (places: Places) => string, string]>([
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
