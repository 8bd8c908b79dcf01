import { randomBytes } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CredentialStore, type Credentials } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline, type LocalDataPipelineOptions } from '../fakes/aws/data-pipeline.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { LocalSts, TEST_ROLE } from '../fakes/aws/sts.ts'
import { removeFolder } from '../support/temporary-folder.ts'

type Keys = Required<Omit<Credentials, 'expiresAt'>>

/** Where credentials come from, and how a machine replaces them. */
export interface Source {
  readonly name: string
  /** It runs a command of a POSIX shell. */
  readonly needsShell?: boolean
  /** It has an OIDC token in a file. */
  readonly hasTokenFile?: boolean
  readonly inputs?: Readonly<Record<string, string>>
  /** Files by name; written again, with new keys and a new token, when the credentials are rotated. */
  readonly files: (keys: Keys, token: string, folder: string) => Readonly<Record<string, string>>
  /** What names the files to the SDK. */
  readonly env: (folder: string) => Readonly<Record<string, string>>
}

const sectionOf = ({ accessKeyId, secretAccessKey, sessionToken }: Keys): string =>
  `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\naws_session_token = ${sessionToken}\n`

export const CREDENTIALS_FILE: Source = {
  name: 'a credentials file',
  files: (keys) => ({ credentials: `[default]\n${sectionOf(keys)}` }),
  env: (folder) => ({ AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') }),
}

export const SOURCES: readonly Source[] = [
  CREDENTIALS_FILE,
  {
    name: 'a profile with credential_process',
    needsShell: true,
    files: (
      { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken },
      _token,
      folder,
    ) => ({
      'keys.json': JSON.stringify({ Version: 1, AccessKeyId, SecretAccessKey, SessionToken }),
      config: `[profile ci]\ncredential_process = cat ${join(folder, 'keys.json')}\n`,
    }),
    env: (folder) => ({ AWS_CONFIG_FILE: join(folder, 'config'), AWS_PROFILE: 'ci' }),
  },
  {
    name: 'a profile with role_arn and source_profile',
    files: (keys) => ({
      credentials: `[base]\n${sectionOf(keys)}`,
      config: `[profile ci]\nrole_arn = ${TEST_ROLE.arn}\nsource_profile = base\n`,
    }),
    env: (folder) => ({
      AWS_CONFIG_FILE: join(folder, 'config'),
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
      AWS_PROFILE: 'ci',
    }),
  },
  {
    name: 'AWS_WEB_IDENTITY_TOKEN_FILE',
    hasTokenFile: true,
    files: (_keys, token) => ({ token }),
    env: (folder) => ({ AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'), AWS_ROLE_ARN: TEST_ROLE.arn }),
  },
  {
    name: 'role-to-assume',
    inputs: { 'role-to-assume': TEST_ROLE.arn },
    files: () => ({}),
    env: () => ({}),
  },
]

/** How credentials that were rotated are rejected from then on. */
export const REJECTIONS = ['expired', 'deleted'] as const
export type Rejection = (typeof REJECTIONS)[number]

/** A source on this machine, and the services that know its credentials. */
export interface RotatingSource extends AsyncDisposable {
  readonly service: LocalDataPipeline
  readonly sts: LocalSts
  readonly env: Readonly<Record<string, string | undefined>>
  /** The OIDC token in the files. */
  token(): string
  /** Replaces the credentials in the files. From then on those used so far are rejected, sessions too. */
  rotate(rejection: Rejection): void
  /** Whether these credentials were used before the last rotation. */
  isOld(accessKeyId: string | undefined): boolean
}

/** Services of its own for a source, and its files in a folder of their own. */
export async function startSource(source: Source, options: LocalDataPipelineOptions = {}): Promise<RotatingSource> {
  const folder = mkdtempSync(join(tmpdir(), 'aws-'))
  const store = new CredentialStore([])
  const oidc = await LocalOidc.start()
  const sts = await LocalSts.start({ issuer: oidc, credentials: store })
  const service = await LocalDataPipeline.start({ ...options, credentials: store })
  const old = new Set<string>()
  let token = ''
  const write = (): void => {
    const keys = newKeys()
    store.add(keys)
    token = oidc.token('sts.amazonaws.com')
    for (const [name, text] of Object.entries(source.files(keys, token, folder)))
      writeFileSync(join(folder, name), text)
  }
  write()
  return {
    service,
    sts,
    env: {
      ...sts.env(),
      ...oidc.env(),
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_SESSION_TOKEN: undefined,
      ...source.env(folder),
    },
    token: () => token,
    rotate(rejection) {
      const used = [...service.requests, ...sts.requests].flatMap(({ signedBy = '' }) =>
        store.find(signedBy) ? signedBy : [],
      )
      write()
      for (const accessKeyId of used) {
        old.add(accessKeyId)
        if (rejection === 'expired') store.expire(accessKeyId)
        else store.remove(accessKeyId)
      }
    },
    isOld: (accessKeyId = '') => old.has(accessKeyId),
    async [Symbol.asyncDispose]() {
      await Promise.all([service.stop(), sts.stop(), oidc.stop()])
      removeFolder(folder)
    },
  }
}

function newKeys(): Keys {
  return {
    accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64'),
    sessionToken: randomBytes(200).toString('base64'),
  }
}
