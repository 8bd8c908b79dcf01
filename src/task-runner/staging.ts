import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { S3Copy } from './s3-copy.ts'

/** The staged folders of a task. */
export interface Staging {
  /** INPUT1_STAGING_DIR, OUTPUT1_STAGING_DIR and so on: the folders. */
  readonly variables: Readonly<Record<string, string>>
  /** Copies the outputs to S3. @throws StagingError */
  upload(): Promise<void>
}

/**
 * Makes the folders of a task, and copies its inputs into them.
 *
 * @param uris the `s3://` folders of the definition; undefined where nothing is staged
 * @throws StagingError
 */
export async function stage(
  uris: { readonly inputs: readonly string[]; readonly outputs: readonly string[] } | undefined,
  folder: string,
  s3: S3Copy,
): Promise<Staging> {
  const { inputs = [], outputs = [] } = uris ?? {}
  const place = (name: string, all: readonly string[]) =>
    all.map((uri, index) => {
      const path = join(folder, `${name.toLowerCase()}${index + 1}`)
      mkdirSync(path)
      return { variable: `${name}${index + 1}_STAGING_DIR`, path, uri: uri.endsWith('/') ? uri : `${uri}/` }
    })
  const [sources, targets] = [place('INPUT', inputs), place('OUTPUT', outputs)]
  // A copy finds a missing AWS CLI as well.
  if (sources.length === 0 && targets.length > 0) await s3.expectCli()
  for (const { uri, path } of sources) await s3.copy(uri, path, { recursive: true })
  return {
    variables: Object.fromEntries([...sources, ...targets].map(({ variable, path }) => [variable, path])),
    async upload() {
      for (const { uri, path } of targets) await s3.copy(path, uri, { recursive: true })
    },
  }
}
