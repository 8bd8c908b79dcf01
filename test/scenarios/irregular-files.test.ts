// error-stack-trace-file that is not a regular file. Reads that hang are in hanging-reads.test.ts.
import { symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from '@jest/globals'
import { inFolder } from '../support/temporary-folder.ts'
import { expectNoTrace, pipeIn } from './irregular-files.ts'

const onPosix = process.platform === 'win32' ? test.skip : test

onPosix.each<[string, (folder: string) => string]>([
  ['a named pipe', (folder) => pipeIn(folder)],
  [
    'a symbolic link to a named pipe',
    (folder) => {
      symlinkSync(pipeIn(folder), join(folder, 'link'))
      return join(folder, 'link')
    },
  ],
  ['a directory', (folder) => folder],
  ['a character device', () => '/dev/zero'],
  ['the standard input', () => '/dev/stdin'],
])('%s: one warning, and the report has no trace', async (_kind, create) => {
  await inFolder((folder) => expectNoTrace(create(folder)))
})

onPosix('a socket: one warning, and the report has no trace', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'socket')
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(path, resolve))
    try {
      await expectNoTrace(path)
    } finally {
      server.close()
    }
  })
})
