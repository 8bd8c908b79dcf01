import { homedir } from 'node:os'
import * as core from '@actions/core'
import { adoptDefaultProfile } from '../aws/environment-credentials.ts'
import { secretsIn } from '../environment-secrets.ts'
import { redact, SHORTEST_SECRET } from '../text/redact.ts'
import { type Log, withoutCommands } from './log.ts'

/** What the runner offers to an action; the only file that knows @actions/core. */
export interface Runner {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  /** An input, trimmed; empty when it isn't given. */
  input(name: string): string
  /** @throws when the runner's file can't be written */
  output(name: string, value: string): void
  /** Keeps a text for the post step of this action; what is saved later replaces it. */
  saveState(name: string, value: string): void
  /** What was saved; empty when nothing was. */
  state(name: string): string
  /** Adds HTML to the summary of the step. @throws when the runner's file can't be written */
  summarize(html: string): Promise<void>
  /** Ends the step as failed, with one error annotation. */
  fail(message: string): void
  /**
   * From now on these are replaced by *** in everything that is said; the credentials in the environment always are. A step
   * also tells the runner to mask them, in what Node and other programs say.
   */
  hide(secrets: Iterable<string>): void
  /** All that is hidden. */
  readonly secrets: ReadonlySet<string>
  /** The text without what is hidden. */
  redact(text: string): string
}

/**
 * The runner that started this process.
 *
 * @param reader who reads the standard output. In a file, which nobody masks, a command to mask a secret would show it
 */
export function currentRunner(reader: 'runner' | 'file' = 'runner'): Runner {
  tidyAwsVariables(process.env)
  adoptDefaultProfile(process.env)
  giveHome(process.env)
  const secrets = new Set(secretsIn(process.env))
  const masked = new Set<string>()
  const safe = (text: string): string => redact(text, secrets).text
  const mask = (secret: string): void => {
    // Of a secret with several lines the runner would mask each, also one that is a bracket.
    for (const line of secret.split(/[\r\n]+/).map((each) => each.trim())) {
      if (line.length < SHORTEST_SECRET || masked.has(line)) continue
      masked.add(line)
      core.setSecret(line)
    }
  }
  return {
    env: process.env,
    log: {
      info: (text) => core.info(withoutCommands(safe(text))),
      debug: (text) => {
        if (core.isDebug()) core.debug(safe(text))
      },
      group(title, text) {
        core.startGroup(withoutCommands(safe(title)))
        if (text !== '') core.info(withoutCommands(safe(text)))
        core.endGroup()
      },
      notice: (text) => core.notice(safe(text)),
      warning: (text) => core.warning(safe(text)),
    },
    input: core.getInput,
    output: (name, value) => core.setOutput(name, safe(value)),
    saveState: core.saveState,
    state: core.getState,
    async summarize(html) {
      await core.summary.addRaw(safe(html), true).write()
    },
    fail: (message) => core.setFailed(safe(message)),
    hide(more) {
      for (const secret of more) {
        secrets.add(secret)
        if (reader === 'runner') mask(secret)
      }
    },
    secrets,
    redact: safe,
  }
}

/**
 * Makes AWS variables what they were meant to be. A secret that was pasted with a line end after it can't be signed
 * with. An empty one, as `env: AWS_REGION: ${{ vars.AWS_REGION }}` makes where the variable is not set, counts for the
 * SDK as given, and it would not look into the profile.
 */
function tidyAwsVariables(env: NodeJS.ProcessEnv): void {
  for (const [name, value = ''] of Object.entries(env)) {
    // In any case, as Windows knows no other.
    if (!/^AWS_/i.test(name)) continue
    // It decides about waits and retries, which are the action's own, and a wrong one would fail every call.
    if (value.trim() === '' || /^AWS_DEFAULTS_MODE$/i.test(name)) delete env[name]
    else if (value !== value.trim()) env[name] = value.trim()
  }
}

/**
 * The SDK looks for profiles in the home directory even when it was given a region and credentials, and fails where there
 * is none: for a user of a container who has no HOME and no entry in passwd. That one gets the home that Docker gives
 * such users; no directory that others can write to, as a profile may name a program to run.
 */
function giveHome(env: NodeJS.ProcessEnv): void {
  // Taken for the current directory, which has whatever was checked out.
  if (env['HOME']?.trim() === '') delete env['HOME']
  try {
    homedir()
  } catch {
    env['HOME'] = '/'
  }
}
