import type { AwsCredentialIdentity } from '@smithy/types'
import type { AwsSettings } from './settings.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** A profile of the AWS files, and the variable that names it. */
export interface NamedProfile {
  readonly name: string
  readonly variable: 'AWS_PROFILE' | 'AWS_DEFAULT_PROFILE'
}

/** Where credentials come from, for hints. */
export interface CredentialSource {
  /** Whether they are those of the input role-to-assume. */
  readonly usesRole: boolean
  /** The profile; undefined when no variable names one, or others are used. */
  readonly profile: NamedProfile | undefined
}

/**
 * The key pair of the environment; undefined when it is not complete. As in the AWS CLI and botocore, it goes before a profile that
 * a variable names. In this SDK, the profile goes first, and keys that a step exported would not be used.
 */
export function environmentCredentials(env: Environment): AwsCredentialIdentity | undefined {
  const [accessKeyId, secretAccessKey] = [env['AWS_ACCESS_KEY_ID'], env['AWS_SECRET_ACCESS_KEY']]
  if (!accessKeyId || !secretAccessKey) return undefined
  const sessionToken = env['AWS_SESSION_TOKEN']
  const expiration = Date.parse(env['AWS_CREDENTIAL_EXPIRATION'] ?? '')
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken && { sessionToken }),
    ...(!Number.isNaN(expiration) && { expiration: new Date(expiration) }),
  }
}

/** A sentence for an environment with one half of a key pair. */
export function halfKeyPair(env: Environment): string | undefined {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
  const [given, ...others] = names.filter((name) => env[name])
  if (given === undefined || others.length > 0) return undefined
  return `${given} is set and ${names.find((name) => name !== given)} is not, so the environment has no key pair.`
}

/** The profile that a variable names; undefined when the key pair of the environment is used instead. */
function profileInUse(env: Environment): NamedProfile | undefined {
  const name = env['AWS_PROFILE']
  if (!name || environmentCredentials(env) !== undefined) return undefined
  return { name, variable: env['AWS_DEFAULT_PROFILE'] === name ? 'AWS_DEFAULT_PROFILE' : 'AWS_PROFILE' }
}

/** Where the credentials for these settings come from. */
export function credentialSource({ role }: AwsSettings, env: Environment): CredentialSource {
  return { usesRole: role !== undefined, profile: role === undefined ? profileInUse(env) : undefined }
}
