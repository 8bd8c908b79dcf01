// Gives tests the same environment everywhere. Jest's configuration imports it, before any test or worker starts.

/** Variables of a shell, a runner or a git hook that would change the tests. */
const NOT_OURS = /^(ACTIONS|AWS|GIT|GITHUB|INPUT|NODE|RUNNER|STATE)_|^((HTTPS?|ALL|NO)_PROXY|NO_COLOR|FORCE_COLOR)$/i

for (const name of Object.keys(process.env)) if (NOT_OURS.test(name)) delete process.env[name]

Object.assign(process.env, {
  NODE_ENV: 'test',
  // No profile of this user, and no metadata service of this machine.
  AWS_CONFIG_FILE: '/nonexistent/aws-config',
  AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/aws-credentials',
  AWS_EC2_METADATA_DISABLED: 'true',
  // No signing, hooks and ignored files of this user, and no check of the owner of the repository.
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_COUNT: '2',
  GIT_CONFIG_KEY_0: 'core.excludesFile',
  GIT_CONFIG_VALUE_0: '/dev/null',
  GIT_CONFIG_KEY_1: 'safe.directory',
  GIT_CONFIG_VALUE_1: '*',
})
