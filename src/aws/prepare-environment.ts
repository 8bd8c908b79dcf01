import { homedir } from 'node:os'

/** Makes the AWS variables of a process what they were meant to be, before anything reads them. */
export function prepareAwsEnvironment(env: NodeJS.ProcessEnv): void {
  tidyAwsVariables(env)
  adoptDefaultProfile(env)
  giveHome(env)
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

/** Makes AWS_DEFAULT_PROFILE count where AWS_PROFILE is not set, as for the AWS CLI; this SDK does not know it. */
function adoptDefaultProfile(env: NodeJS.ProcessEnv): void {
  if (!env['AWS_PROFILE'] && env['AWS_DEFAULT_PROFILE']) env['AWS_PROFILE'] = env['AWS_DEFAULT_PROFILE']
}
