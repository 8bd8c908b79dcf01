// Renewed credentials, as the client compares them: in this process, as a step does not show when its SDK renews.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { connectDataPipeline } from '../../src/aws/client.ts'
import { TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { eventually } from '../support/processes.ts'
import { removeFolder } from '../support/temporary-folder.ts'

const folder = mkdtempSync(join(tmpdir(), 'aws-'))
const environment = { ...process.env }

afterEach(() => {
  process.env = environment
  removeFolder(folder)
})

const onPosix = process.platform === 'win32' ? test.skip : test

function write(secretAccessKey: string): void {
  const keys = {
    Version: 1,
    AccessKeyId: TEST_CREDENTIALS.accessKeyId,
    SecretAccessKey: secretAccessKey,
    // So soon that the SDK renews them in the background, whenever it is asked for them.
    Expiration: new Date(Date.now() + 240_000).toISOString(),
  }
  writeFileSync(join(folder, 'keys.json'), JSON.stringify(keys))
}

onPosix('that the SDK renewed itself after a call differ from those of the call', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  write(TEST_CREDENTIALS.secretAccessKey)
  writeFileSync(join(folder, 'config'), `[default]\ncredential_process = cat ${join(folder, 'keys.json')}\n`)
  process.env = {
    ...environment,
    AWS_ENDPOINT_URL_DATA_PIPELINE: service.url,
    AWS_REGION: 'us-east-1',
    AWS_CONFIG_FILE: join(folder, 'config'),
  }
  const hidden: string[] = []
  const dataPipeline = await connectDataPipeline(
    { region: undefined, role: undefined },
    {
      env: process.env,
      requestLimitMs: 10_000,
      hide: (secrets) => hidden.push(...secrets),
      log: { warning: () => undefined },
    },
  )
  await dataPipeline.reportTaskProgress(taskId, { signal: AbortSignal.timeout(30_000) })
  write('another/secret')
  const isRenewed = (): boolean => {
    void dataPipeline.credentials()
    return hidden.includes('another/secret')
  }
  expect(await eventually(isRenewed)).toBe(true)
  expect(await dataPipeline.renewCredentials()).toBe(true)
  dataPipeline.close()
})
