import { homedir } from 'node:os'
import { join } from 'node:path'
import { openRegularFile } from '../util/open-regular-file.ts'

/** Far above any AWS file. */
const MAX_BYTES = 1024 * 1024

/** A profile, as far as it matters here. */
interface Profile {
  readonly secrets: string[]
  /** The profile whose keys assume its role. */
  source: string | undefined
}

/**
 * The secrets in the AWS files of the profile in use, and of its source profiles, of which the SDK gives only the result. Never
 * fails: a file that can't be read has none.
 */
export async function secretsOfProfile(env: Readonly<Record<string, string | undefined>>): Promise<string[]> {
  const folder = join(homedir(), '.aws')
  const paths = [
    env['AWS_CONFIG_FILE'] ?? join(folder, 'config'),
    env['AWS_SHARED_CREDENTIALS_FILE'] ?? join(folder, 'credentials'),
  ]
  const texts = await Promise.all(paths.map((path) => readText(path).catch(() => '')))
  return secretsFor(env['AWS_PROFILE'] ?? 'default', texts)
}

/** The secrets for a profile and its sources in the texts of AWS files. */
export function secretsFor(profile: string, texts: readonly string[]): string[] {
  const profiles = new Map<string, Profile>()
  for (const text of texts) addProfiles(text, profiles)
  const derivation = new Set<Profile>()
  for (let next = profiles.get(profile); next !== undefined && !derivation.has(next); ) {
    derivation.add(next)
    next = profiles.get(next.source ?? '')
  }
  return [...derivation].flatMap(({ secrets }) => secrets)
}

function addProfiles(text: string, profiles: Map<string, Profile>): void {
  let current: Profile = { secrets: [], source: undefined }
  for (const whole of text.split(/\r\n|\r|\n/)) {
    // The SDK removes comments in the same way, also after a value.
    const [line = ''] = whole.split(/(?:^|\s)[;#]/)
    const [, section] = /^\s*\[\s*(?:profile\s+)?["']?([^\]"']*?)["']?\s*\]/.exec(line) ?? []
    if (section !== undefined) {
      current = profiles.get(section) ?? { secrets: [], source: undefined }
      profiles.set(section, current)
    }
    const [, key = '', value = ''] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (/^aws_(secret_access_key|session_token)$/i.test(key)) current.secrets.push(value)
    if (/^source_profile$/i.test(key)) current.source = value
  }
}

async function readText(path: string): Promise<string> {
  const file = await openRegularFile(path)
  try {
    return (await file.stat()).size > MAX_BYTES ? '' : await file.readFile('utf8')
  } finally {
    await file.close()
  }
}
