import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { checkValues, FILE_COMMAND_VARIABLES, FileCommands } from '../../../src/task-runner/file-commands.ts'
import { node24 } from '../../support/node24.ts'

const onPosix = process.platform === 'win32' ? describe.skip : describe

/** The names and values of a valid file, as the runner reads them (actions/runner, FileCommandManager.cs) on Linux. */
function readByRunner(text: string): [name: string, value: string][] {
  const lines = text.split('\n')
  const pairs: [string, string][] = []
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    if (line === '') continue
    const [, name, delimiter] = /^(.+?)<<(.+)$/.exec(line) ?? []
    if (name === undefined || delimiter === undefined || name.includes('=')) throw new Error(`no heredoc: ${line}`)
    const end = lines.indexOf(delimiter, at + 1)
    if (end < 0) throw new Error(`no end: ${line}`)
    pairs.push([name, lines.slice(at + 1, end).join('\n')])
    at = end
  }
  return pairs
}

describe('names and values', () => {
  test.each<[string, string, [string, string][]]>([
    ['none', '', []],
    ['empty lines', '\n\n', []],
    ['a line', 'a=b\n', [['a', 'b']]],
    ['a last line without an end', 'a=b', [['a', 'b']]],
    ['an empty value', 'a=\n', [['a', '']]],
    ['an equals sign in the value', 'a=b=c\n', [['a', 'b=c']]],
    ['white space', ' a = b \n', [[' a ', ' b ']]],
    ['several lines, with empty ones between', 'a=1\n\nb=2\n', ['a1', 'b2'].map(pair)],
    ['the same name twice', 'a=1\na=2\n', ['a1', 'a2'].map(pair)],
    ['a heredoc', 'a<<EOF\nb\nc\nEOF\n', [['a', 'b\nc']]],
    ['a heredoc whose last line has no end', 'a<<EOF\nb\nEOF', [['a', 'b']]],
    ['an empty heredoc', 'a<<EOF\nEOF\n', [['a', '']]],
    ['empty lines in a heredoc', 'a<<EOF\n\nb\n\nEOF\n', [['a', '\nb\n']]],
    ['entries in a heredoc', 'a<<EOF\nb=c\nd<<E\nEOF\ne=f\n', [['a', 'b=c\nd<<E'], pair('ef')]],
    ['the delimiter within a line of the value', 'a<<EOF\n EOF\nEOF \nEOF\n', [['a', ' EOF\nEOF ']]],
    ['heredocs one after the other', 'a<<E\n1\nE\nb<<E\n2\nE\n', ['a1', 'b2'].map(pair)],
    ['an equals sign in the delimiter', 'a<<b=c\nd\nb=c\n', [['a', 'd']]],
    ['a heredoc sign in the value', 'a=b<<c\n', [['a', 'b<<c']]],
    ['a heredoc sign in the delimiter', 'a<<b<<c\nd\nb<<c\n', [['a', 'd']]],
    ['three signs', 'a<<<E\nd\n<E\n', [['a', 'd']]],
    ['a carriage return within a value', 'a<<E\nb\r\nc\nE\n', [['a', 'b\r\nc']]],
    ['other characters', 'ä🔥=\u2028\ufffd\n', [['ä🔥', '\u2028\ufffd']]],
    ['names of JavaScript', '__proto__=b\n', [['__proto__', 'b']]],
  ])('are read with %s', (_name, text, expected) => {
    const { valid, problem } = checkValues(text)
    expect(problem).toBeUndefined()
    expect(readByRunner(valid)).toEqual(expected)
  })

  // On Linux, the carriage return is a part of the value.
  test('are read with the line ends of Windows', () => {
    const { valid, problem } = checkValues('a=b\r\n\r\nc<<E\r\nd\r\nE\r\ne=f\r\n')
    expect(problem).toBeUndefined()
    expect(readByRunner(valid).map(([name, value]) => [name, value.replace(/\r$/, '')])).toEqual(
      ['ab', 'cd', 'ef'].map(pair),
    )
  })

  test.each<[string, string, RegExp]>([
    ['a line of another format', 'x\n', /^line 3 has neither "=" nor "<<": "x"\.$/],
    ['white space', ' \n', /^line 3 .*: " "\.$/],
    ['no name', '=b\n', /^line 3 has no name: "=b"\.$/],
    ['a heredoc without a name', '<<E\nb\nE\n', /^line 3 has no name or no delimiter: "<<E"\.$/],
    ['a heredoc without a delimiter', 'a<<\nb\n', /^line 3 has no name or no delimiter: "a<<"\.$/],
    ['an unfinished heredoc', 'b<<EOF\nc=d\n', /^the value of "b" has no end "EOF"\.$/],
    ['a heredoc that is its name only', 'b<<EOF\n', /^the value of "b" has no end "EOF"\.$/],
    ['a line of any length', `${'x'.repeat(10_000)}\n`, /^line 3 .{100,200}$/],
  ])('before a mistake are kept, and none behind it: %s', (_name, text, message) => {
    const { valid, problem } = checkValues(`a=1\n\n${text}z=2\n`)
    expect(readByRunner(valid)).toEqual([pair('a1')])
    expect(problem).toMatch(message)
  })

  test('can not end a value of the file that they are added to', () => {
    const once = checkValues('a<<E\nx\nE\n').valid
    const [, delimiter = ''] = /<<(.+)$/m.exec(once) ?? []
    expect(readByRunner(checkValues(`b<<E\n${delimiter}\nE\n`).valid)).toEqual([['b', delimiter]])
  })

  function pair(letters: string): [string, string] {
    return [letters.charAt(0), letters.slice(1)]
  }
})

describe('the files of a command', () => {
  let folder = ''
  let env: Record<string, string> = {}

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'file commands-'))
    env = Object.fromEntries(FILE_COMMAND_VARIABLES.map((name) => [name, join(folder, `step-${name}`)]))
    for (const file of Object.values(env)) writeFileSync(file, '')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const ofStep = (variable: string): string => readFileSync(env[variable] ?? '', 'utf8')

  /** A command that writes to its files. Gives the problems. */
  function run(act: (files: Readonly<Record<string, string>>) => void): string[] {
    const commands = new FileCommands(folder, env)
    act(commands.variables)
    return commands.passOn()
  }

  const write = (files: Readonly<Record<string, string>>, texts: Readonly<Record<string, string>>): void => {
    for (const [variable, text] of Object.entries(texts)) writeFileSync(files[variable] ?? '', text)
  }

  test('are its own, empty, and for nobody else', () => {
    const [first, second] = [new FileCommands(folder, env).variables, new FileCommands(folder, env).variables]
    const files = [...Object.values(first), ...Object.values(second)]
    expect(Object.keys(first)).toEqual(['GITHUB_OUTPUT', 'GITHUB_ENV', 'GITHUB_PATH', 'GITHUB_STEP_SUMMARY'])
    expect(new Set([...files, ...Object.values(env)]).size).toBe(12)
    for (const file of files) expect(readFileSync(file, 'utf8')).toBe('')
    if (process.platform !== 'win32')
      expect(files.map((file) => statSync(file).mode & 0o077)).toEqual(files.map(() => 0))
  })

  test('are those that the step has', () => {
    env = { GITHUB_OUTPUT: env['GITHUB_OUTPUT'] ?? '', GITHUB_ENV: '', HOME: folder }
    const commands = new FileCommands(folder, env)
    expect(Object.keys(commands.variables)).toEqual(['GITHUB_OUTPUT'])
    expect(commands.passOn()).toEqual([])
  })

  test('are added to those of the step', () => {
    const problems = run((files) =>
      write(files, {
        GITHUB_OUTPUT: 'a=1',
        GITHUB_ENV: 'B=2\n',
        GITHUB_PATH: '/one\n\n/two',
        GITHUB_STEP_SUMMARY: '# x',
      }),
    )
    const more = run((files) => write(files, { GITHUB_PATH: '/three\n', GITHUB_STEP_SUMMARY: 'y\n' }))
    expect([...problems, ...more]).toEqual([])
    expect(readByRunner(ofStep('GITHUB_OUTPUT'))).toEqual([['a', '1']])
    expect(readByRunner(ofStep('GITHUB_ENV'))).toEqual([['B', '2']])
    expect(ofStep('GITHUB_PATH').split('\n')).toEqual(['/one', '', '/two', '/three', ''])
    expect(ofStep('GITHUB_STEP_SUMMARY')).toBe('# x\ny\n')
  })

  test('are added without the byte order mark that they begin with, as .NET reads them', () => {
    expect(run((files) => write(files, { GITHUB_OUTPUT: '\ufeffa=1', GITHUB_PATH: '\ufeff/one' }))).toEqual([])
    expect(readByRunner(ofStep('GITHUB_OUTPUT'))).toEqual([['a', '1']])
    expect(ofStep('GITHUB_PATH')).toBe('/one\n')
  })

  test('swallow nothing of another command where one is unfinished', () => {
    const problems = run((files) => write(files, { GITHUB_OUTPUT: 'a=1\nb<<EOF\nc', GITHUB_ENV: 'D=4' }))
    expect(problems).toEqual([
      'The command wrote GITHUB_OUTPUT in an invalid format: the value of "b" has no end "EOF".',
    ])
    expect(run((files) => write(files, { GITHUB_OUTPUT: 'e=5' }))).toEqual([])
    expect(readByRunner(ofStep('GITHUB_OUTPUT'))).toEqual([
      ['a', '1'],
      ['e', '5'],
    ])
    expect(readByRunner(ofStep('GITHUB_ENV'))).toEqual([['D', '4']])
  })

  test('are no problem where they are gone, as for the runner', () => {
    const problems = run((files) => {
      write(files, { GITHUB_ENV: 'D=4' })
      rmSync(files['GITHUB_OUTPUT'] ?? '')
    })
    expect(problems).toEqual([])
    expect(readByRunner(ofStep('GITHUB_ENV'))).toEqual([['D', '4']])
  })

  test('are refused above 8 MiB, and the others are added', () => {
    const problems = run((files) => {
      truncateSync(files['GITHUB_OUTPUT'] ?? '', 8 * 1024 * 1024 + 1)
      write(files, { GITHUB_PATH: '/x' })
    })
    expect(problems).toEqual([expect.stringMatching(/^Could not pass on .* to GITHUB_OUTPUT: .* bytes/)])
    expect(ofStep('GITHUB_OUTPUT')).toBe('')
    expect(ofStep('GITHUB_PATH')).toBe('/x\n')
  })

  test('that can not be added are a problem, and the others are added', () => {
    mkdirSync(join(folder, 'not a file'))
    env = { ...env, GITHUB_OUTPUT: join(folder, 'not a file') }
    const problems = run((files) => write(files, { GITHUB_OUTPUT: 'a=1', GITHUB_ENV: 'D=4' }))
    expect(problems).toEqual([expect.stringMatching(/^Could not pass on .* to GITHUB_OUTPUT: .*EISDIR/)])
    expect(readByRunner(ofStep('GITHUB_ENV'))).toEqual([['D', '4']])
  })

  onPosix('replaced by the command', () => {
    const MADE = {
      'a folder': (path: string) => mkdirSync(path),
      'a named pipe': (path: string) => execFileSync('mkfifo', [path]),
      'a link to a named pipe': (path: string) => {
        execFileSync('mkfifo', [`${path}-elsewhere`])
        symlinkSync(`${path}-elsewhere`, path)
      },
    }

    // In a process of its own: to read a named pipe would wait forever, and so would this one.
    test.each(Object.entries(MADE))('by %s are a problem at once, and the others are added', (_name, make) => {
      const source = new URL('../../../src/task-runner/file-commands.ts', import.meta.url).href
      const [ready, go] = [join(folder, 'ready'), join(folder, 'go')]
      make(go)
      const script = `
        import { renameSync, rmSync, writeFileSync } from 'node:fs'
        import { FileCommands } from ${JSON.stringify(source)}
        const commands = new FileCommands(${JSON.stringify(folder)}, ${JSON.stringify(env)})
        const { GITHUB_OUTPUT, GITHUB_ENV } = commands.variables
        rmSync(GITHUB_OUTPUT)
        renameSync(${JSON.stringify(go)}, GITHUB_OUTPUT)
        writeFileSync(GITHUB_ENV, 'D=4')
        writeFileSync(${JSON.stringify(ready)}, JSON.stringify(commands.passOn()))`
      const child = spawnSync(node24(), ['--input-type=module', '-e', script], {
        timeout: 20_000,
        killSignal: 'SIGKILL',
        encoding: 'utf8',
      })
      expect(child).toMatchObject({ status: 0, signal: null })
      expect(JSON.parse(readFileSync(ready, 'utf8'))).toEqual([expect.stringContaining('GITHUB_OUTPUT')])
      expect(readByRunner(ofStep('GITHUB_ENV'))).toEqual([['D', '4']])
    })
  })
})
