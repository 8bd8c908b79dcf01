import { homedir } from 'node:os'

/** Corrects the AWS variables of a process before anything reads them. */
export function prepareAwsEnvironment(env: NodeJS.ProcessEnv): void {
  tidyAwsVariables(env)
  adoptDefaultProfile(env)
  giveHome(env)
}

/**
 * Trims AWS variables, and removes empty ones. A secret that was pasted with a line end can't sign requests. An empty variable,
 * such as from `env: AWS_REGION: ${{ vars.AWS_REGION }}`, counts as set for the SDK, which would not read the profile.
 */
function tidyAwsVariables(env: NodeJS.ProcessEnv): void {
  for (const [name, value = ''] of Object.entries(env)) {
    // In any case, as on Windows names have no case.
    if (!/^AWS_/i.test(name)) continue
    // It configures waits and retries, which the action has of its own, and an invalid value would fail every call.
    if (value.trim() === '' || /^AWS_DEFAULTS_MODE$/i.test(name)) delete env[name]
    else if (value !== value.trim()) env[name] = value.trim()
  }
}

/**
 * Sets HOME for a user of a container who has neither HOME nor an entry in passwd. The SDK reads profiles in the home directory even
 * when it has a region and credentials, and fails without one. The user gets the home that Docker gives such users, and no
 * directory that others can write to, as a profile may name a program to run.
 */
function giveHome(env: NodeJS.ProcessEnv): void {
  // An empty HOME means the current directory, which has whatever was checked out.
  if (env['HOME']?.trim() === '') delete env['HOME']
  try {
    homedir()
  } catch {
    env['HOME'] = '/'
  }
}

/** Uses AWS_DEFAULT_PROFILE if AWS_PROFILE is not set, as the AWS CLI does. This SDK does not know it. */
function adoptDefaultProfile(env: NodeJS.ProcessEnv): void {
  if (!env['AWS_PROFILE'] && env['AWS_DEFAULT_PROFILE']) env['AWS_PROFILE'] = env['AWS_DEFAULT_PROFILE']
}
