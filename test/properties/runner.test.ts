// Commands and files for the runner: pure functions except for the files, thousands of cases.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { currentRunner, type Runner } from '../../src/github/runner.ts'
import { commandsIn } from '../support/commands.ts'
import { parseFileCommands } from '../support/file-commands.ts'
import { SECRETS, variable } from './any-inputs.ts'
import { asRead, expectNoSecret } from './expectations.ts'
import { PROPERTY_LIMIT_MS, runs } from './runs.ts'

let folder: string
let runner: Runner
let stdout = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'runner-'))
  Object.assign(process.env, SECRETS, {
    'INPUT_GITHUB-TOKEN': 'ghs_inputTokenInputTokenInput',
    GITHUB_OUTPUT: join(folder, 'output'),
    GITHUB_STATE: join(folder, 'state'),
    GITHUB_STEP_SUMMARY: join(folder, 'summary'),
  })
  const write = (text: string): boolean => {
    stdout += text
    return true
  }
  Object.defineProperty(process, 'stdout', { value: { write } })
  runner = currentRunner()
})
afterAll(() => {
  process.exitCode = undefined
  rmSync(folder, { recursive: true, force: true })
})

describe.each([
  ['info', (text: string) => runner.log.info(text), []],
  ['group', (text: string) => runner.log.group(text, text), ['group', 'endgroup']],
  ['notice', (text: string) => runner.log.notice(text), ['notice']],
  ['warning', (text: string) => runner.log.warning(text), ['warning']],
  ['fail', (text: string) => runner.fail(text), ['error']],
] as const)('%s', (_name, say, commands) => {
  test(
    'any text creates no other command than its own, and shows no secret',
    () => {
      fc.assert(
        fc.property(variable, (text) => {
          stdout = ''
          say(text)
          const found = commandsIn(stdout)
          expect(found.map(({ name, properties }) => ({ name, properties }))).toEqual(
            commands.map((name) => ({ name, properties: {} })),
          )
          expectNoSecret(stdout)
          for (const { message } of found) expectNoSecret(message)
        }),
        { numRuns: runs(3_000) },
      )
    },
    PROPERTY_LIMIT_MS,
  )
})

test(
  'any outputs and states: each is read from its file unchanged except for secrets, and nothing else with it',
  () => {
    fc.assert(
      fc.property(fc.array(variable, { maxLength: 4 }), variable, (values, state) => {
        for (const file of ['output', 'state']) writeFileSync(join(folder, file), '')
        const names = values.map((_, index) => `name-${index}`)
        for (const [index, value] of values.entries()) runner.output(`name-${index}`, value)
        runner.saveState('saved', state)
        const outputs = parseFileCommands(readFileSync(join(folder, 'output'), 'utf8'))
        expect(Object.keys(outputs)).toEqual(names)
        expect(Object.values(outputs)).toEqual(values.map((value) => asRead(runner.redact(value))))
        expectNoSecret(Object.values(outputs).join('\n'))
        expect(parseFileCommands(readFileSync(join(folder, 'state'), 'utf8'))).toEqual({ saved: asRead(state) })
      }),
      { numRuns: runs(2_000) },
    )
  },
  PROPERTY_LIMIT_MS,
)
